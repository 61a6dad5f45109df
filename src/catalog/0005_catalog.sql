-- What a store sells (C-029): items of one store, or of a region's catalogue. Synced in from the
-- store's own systems; a deleted item stays for the scans that name it (C-188).

CREATE TABLE item (
    item_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id REFERENCES store,
    region text CHECK (region ~ '^[A-Z]{2}(-[A-Z0-9]{1,8})?$'),
    sku text NOT NULL CHECK (sku ~ '^[A-Za-z0-9._/-]{1,32}$'),
    gtin char(14) NOT NULL CHECK (gtin ~ '^[0-9]{14}$'),
    name jsonb NOT NULL CHECK (is_translated(name)),
    description jsonb CHECK (is_translated(description)),
    category text NOT NULL CHECK (length(category) BETWEEN 1 AND 120),
    sub_category text CHECK (length(sub_category) <= 120),
    brand text CHECK (length(brand) <= 120),
    expected_weight_g integer CHECK (expected_weight_g BETWEEN 1 AND 200000),
    per_kg boolean NOT NULL DEFAULT false,
    price_minor price_minor NOT NULL,
    mrp_minor price_minor,
    cost_minor price_minor,
    currency currency NOT NULL,
    price_version integer NOT NULL DEFAULT 1 CHECK (price_version >= 1),
    stock_count integer NOT NULL DEFAULT 0 CHECK (stock_count >= 0),
    reorder_level integer NOT NULL DEFAULT 0 CHECK (reorder_level >= 0),
    ingredients jsonb CHECK (is_translated(ingredients)),
    nutrition jsonb CHECK (jsonb_typeof(nutrition) = 'object'),
    allergens text[] NOT NULL DEFAULT '{}',
    nfc_slug text UNIQUE CHECK (nfc_slug ~ '^[A-Za-z0-9_-]{8,40}$'),
    source text NOT NULL DEFAULT 'platform' CHECK (source IN ('pos', 'csv', 'platform')),
    source_position bigint CHECK (source_position >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CONSTRAINT item_place CHECK ((store_id IS NULL) <> (region IS NULL)),
    CONSTRAINT item_price_at_most_mrp CHECK (mrp_minor IS NULL OR price_minor <= mrp_minor)
);
CREATE UNIQUE INDEX item_by_store_gtin ON item (store_id, gtin) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX item_by_store_sku ON item (store_id, sku) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX item_by_region_gtin ON item (region, gtin)
    WHERE store_id IS NULL AND deleted_at IS NULL;
CREATE INDEX item_by_store ON item (store_id);
COMMENT ON TABLE item IS 'A product a store or region sells.';
COMMENT ON COLUMN item.gtin IS 'Zero-padded to 14 digits; check digit verified by the importer.';
COMMENT ON COLUMN item.name IS 'The product''s name by language.';
COMMENT ON COLUMN item.expected_weight_g IS 'Gross weight of one unit, grams; null: unknown, not verified.';
COMMENT ON COLUMN item.per_kg IS 'price_minor is of one kilogram.';
COMMENT ON COLUMN item.mrp_minor IS 'Maximum retail price printed on the pack, minor units; null: none (loose goods).';
COMMENT ON COLUMN item.cost_minor IS 'What the store pays, for margins.';
COMMENT ON COLUMN item.price_version IS 'Of its current row in price.';
COMMENT ON COLUMN item.nutrition IS 'Nutrient to amount per 100 g.';
COMMENT ON COLUMN item.nfc_slug IS 'Unique identifier in product URLs (P31).';
COMMENT ON COLUMN item.source_position IS 'Where it stood in its source: the order when there are no sales yet.';
CALL make_tenant('item');
CREATE POLICY regional ON item FOR SELECT TO endcap_api, endcap_admin
    USING (store_id IS NULL AND EXISTS (SELECT FROM store WHERE store.region = item.region));
CALL let_process('endcap_ingest', 'item');
CALL let_process('endcap_worker', 'item');
GRANT SELECT ON item TO endcap_ingest;
GRANT SELECT, UPDATE ON item TO endcap_worker;
GRANT SELECT, INSERT, UPDATE ON item TO endcap_api, endcap_admin;

ALTER TABLE label ADD CONSTRAINT label_item_id_fkey FOREIGN KEY (item_id) REFERENCES item;

CREATE TABLE item_batch (
    batch_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    item_id uuid NOT NULL REFERENCES item,
    store_id store_id NOT NULL REFERENCES store,
    batch_number text NOT NULL CHECK (length(batch_number) BETWEEN 1 AND 40),
    expires_on date NOT NULL,
    mrp_minor price_minor,
    stock_count integer NOT NULL DEFAULT 0 CHECK (stock_count >= 0),
    state text NOT NULL DEFAULT 'listed' CHECK (state IN ('listed', 'expired', 'removed')),
    removed_by text,
    removed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (item_id, store_id, batch_number),
    CHECK ((state = 'removed') = (removed_at IS NOT NULL)),
    CHECK (state <> 'removed' OR (stock_count = 0 AND removed_by IS NOT NULL))
);
CREATE INDEX item_batch_by_store ON item_batch (store_id);
CREATE INDEX item_batch_by_expiry ON item_batch (expires_on) WHERE state = 'listed';
COMMENT ON TABLE item_batch IS 'Goods of one item with one expiry date.';
COMMENT ON COLUMN item_batch.expires_on IS 'A day in the store''s timezone.';
COMMENT ON COLUMN item_batch.removed_by IS 'Account id of who confirmed the removal (S-176).';
CALL make_tenant('item_batch');
CALL let_process('endcap_worker', 'item_batch');
GRANT SELECT, UPDATE ON item_batch TO endcap_worker;
GRANT SELECT, INSERT, UPDATE ON item_batch TO endcap_api, endcap_admin;

CREATE TABLE catalogue_version (
    store_id store_id PRIMARY KEY REFERENCES store,
    version bigint NOT NULL CHECK (version >= 1),
    item_count integer NOT NULL CHECK (item_count >= 0),
    changed_at timestamptz NOT NULL DEFAULT now(),
    published_version bigint NOT NULL DEFAULT 0 CHECK (published_version >= 0),
    published_at timestamptz,
    chunk_count integer NOT NULL DEFAULT 0 CHECK (chunk_count >= 0),
    CHECK (published_version <= version)
);
COMMENT ON TABLE catalogue_version IS 'The version of a store''s catalogue, and which of it the carts were given.';
COMMENT ON COLUMN catalogue_version.version IS 'Rises with every change of what the store sells.';
COMMENT ON COLUMN catalogue_version.chunk_count IS 'Retained messages of the published version.';
CALL make_tenant('catalogue_version');
CALL let_process('endcap_ingest', 'catalogue_version');
CALL let_process('endcap_worker', 'catalogue_version');
GRANT SELECT ON catalogue_version TO endcap_ingest;
GRANT SELECT, INSERT, UPDATE ON catalogue_version TO endcap_worker, endcap_api, endcap_admin;

CREATE TABLE catalogue_import (
    import_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    source text NOT NULL CHECK (source IN ('csv', 'pos')),
    mode text NOT NULL CHECK (mode IN ('delta', 'full')),
    read_count integer NOT NULL CHECK (read_count >= 0),
    refused_count integer NOT NULL CHECK (refused_count >= 0),
    added_count integer NOT NULL CHECK (added_count >= 0),
    changed_count integer NOT NULL CHECK (changed_count >= 0),
    repriced_count integer NOT NULL CHECK (repriced_count >= 0),
    deleted_count integer NOT NULL CHECK (deleted_count >= 0),
    version bigint NOT NULL CHECK (version >= 0),
    finished_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX catalogue_import_by_store ON catalogue_import (store_id, finished_at);
COMMENT ON TABLE catalogue_import IS 'What each import did: the last one''s health (C-187).';
COMMENT ON COLUMN catalogue_import.version IS 'Of the catalogue after it.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON catalogue_import
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CALL make_tenant('catalogue_import');
GRANT SELECT, INSERT ON catalogue_import TO endcap_api, endcap_admin;

CREATE TABLE sale_daily (
    store_id store_id NOT NULL REFERENCES store,
    item_id uuid NOT NULL REFERENCES item,
    day date NOT NULL,
    quantity bigint NOT NULL DEFAULT 0,
    revenue_minor bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (store_id, item_id, day)
);
CREATE INDEX sale_daily_by_item ON sale_daily (item_id);
COMMENT ON TABLE sale_daily IS 'Units sold by item and day: sales velocity, the carts'' top items (C-189).';
COMMENT ON COLUMN sale_daily.day IS 'In the store''s timezone.';
COMMENT ON COLUMN sale_daily.revenue_minor IS 'In the store''s currency.';
CALL make_tenant('sale_daily');
CALL let_process('endcap_ingest', 'sale_daily');
CALL let_process('endcap_worker', 'sale_daily');
GRANT SELECT, INSERT, UPDATE ON sale_daily TO endcap_ingest, endcap_worker;
GRANT SELECT ON sale_daily TO endcap_api, endcap_admin;

CREATE TABLE translation_gap (
    store_id store_id NOT NULL REFERENCES store,
    item_id uuid NOT NULL REFERENCES item,
    language language NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, item_id, language)
);
CREATE INDEX translation_gap_by_item ON translation_gap (item_id);
COMMENT ON TABLE translation_gap IS 'A language an item had to be shown without: one alert each (S-226).';
CALL make_tenant('translation_gap');
CALL let_process('endcap_worker', 'translation_gap');
GRANT SELECT, INSERT, DELETE ON translation_gap TO endcap_worker;
GRANT SELECT ON translation_gap TO endcap_api, endcap_admin;
