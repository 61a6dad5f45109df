-- What others ask for the same product (L3).

CREATE TABLE competitor_source (
    source text PRIMARY KEY CHECK (source ~ '^[a-z][a-z0-9_]{1,30}$'),
    enabled boolean NOT NULL DEFAULT false,
    permission_note text CHECK (length(permission_note) <= 500),
    enabled_by text,
    requests_per_hour integer NOT NULL DEFAULT 60 CHECK (requests_per_hour BETWEEN 1 AND 10000),
    last_success_at timestamptz,
    last_failure_at timestamptz,
    failure_count integer NOT NULL DEFAULT 0 CHECK (failure_count >= 0),
    CONSTRAINT competitor_source_is_allowed
        CHECK (NOT enabled OR (permission_note IS NOT NULL AND enabled_by IS NOT NULL))
);
COMMENT ON TABLE competitor_source IS 'A place prices come from; off until the operator records that it allows it.';
COMMENT ON COLUMN competitor_source.permission_note IS 'Why we may read it.';
COMMENT ON COLUMN competitor_source.enabled_by IS 'Account id.';
GRANT SELECT, UPDATE ON competitor_source TO endcap_worker;
GRANT SELECT ON competitor_source TO endcap_api;
GRANT SELECT, INSERT, UPDATE ON competitor_source TO endcap_admin;

CREATE TABLE competitor_price (
    competitor_price_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id store_id NOT NULL REFERENCES store,
    item_id uuid NOT NULL REFERENCES item,
    source text NOT NULL REFERENCES competitor_source,
    price_minor price_minor NOT NULL,
    our_minor price_minor NOT NULL,
    currency currency NOT NULL,
    in_stock boolean NOT NULL,
    url text NOT NULL CHECK (url ~ '^https?://' AND length(url) <= 1000),
    scraped_at timestamptz NOT NULL
);
CREATE INDEX competitor_price_by_item ON competitor_price (item_id, source, scraped_at);
CREATE INDEX competitor_price_by_store ON competitor_price (store_id, scraped_at);
CREATE INDEX competitor_price_by_source ON competitor_price (source);
COMMENT ON TABLE competitor_price IS 'A price seen elsewhere, with its source, time and address (P19).';
COMMENT ON COLUMN competitor_price.our_minor IS 'Ours at that moment; difference and percentage follow.';
CREATE TRIGGER append_only BEFORE UPDATE ON competitor_price
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CALL make_tenant('competitor_price');
CALL let_process('endcap_worker', 'competitor_price');
GRANT SELECT, INSERT, DELETE ON competitor_price TO endcap_worker;
GRANT SELECT ON competitor_price TO endcap_api, endcap_admin;
