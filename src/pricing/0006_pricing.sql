-- The price book: every price an item ever had, and how each change reached the labels.

CREATE TABLE price (
    price_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id uuid NOT NULL REFERENCES item,
    store_id store_id REFERENCES store,
    version integer NOT NULL CHECK (version >= 1),
    price_minor price_minor NOT NULL,
    previous_minor price_minor,
    mrp_minor price_minor,
    currency currency NOT NULL,
    is_flash_sale boolean NOT NULL DEFAULT false,
    reason text NOT NULL CHECK (reason IN ('import', 'manual', 'bulk', 'rule', 'competitor_match',
        'flash_sale_start', 'flash_sale_end', 'expiry', 'rollback', 'correction')),
    changed_by text NOT NULL CHECK (length(changed_by) BETWEEN 1 AND 64),
    valid_from timestamptz NOT NULL DEFAULT now(),
    valid_to timestamptz,
    UNIQUE (item_id, version),
    CHECK (valid_to IS NULL OR valid_to >= valid_from),
    CONSTRAINT price_at_most_mrp CHECK (mrp_minor IS NULL OR price_minor <= mrp_minor)
);
CREATE UNIQUE INDEX price_current ON price (item_id) WHERE valid_to IS NULL;
CREATE INDEX price_by_store ON price (store_id, valid_from);
COMMENT ON TABLE price IS 'Versioned prices; with previous_minor, reason and changed_by it is the price history (S-102).';
COMMENT ON COLUMN price.store_id IS 'The item''s; null for a regional item.';
COMMENT ON COLUMN price.changed_by IS 'Account id, or the name of an automation (S-256).';
COMMENT ON COLUMN price.valid_to IS 'Null: the price now.';
CREATE FUNCTION price_is_history() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.valid_to IS NOT NULL
        OR (to_jsonb(NEW) - 'valid_to') IS DISTINCT FROM (to_jsonb(OLD) - 'valid_to') THEN
        RAISE EXCEPTION 'price is history: only an open price may be closed'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER price_is_history BEFORE UPDATE OR DELETE ON price
    FOR EACH ROW EXECUTE FUNCTION price_is_history();
CALL make_tenant('price');
CALL let_process('endcap_ingest', 'price');
CALL let_process('endcap_worker', 'price');
GRANT SELECT ON price TO endcap_ingest;
GRANT SELECT, INSERT, UPDATE ON price TO endcap_worker, endcap_api, endcap_admin;

CREATE TABLE price_update (
    update_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    label_id label_id NOT NULL REFERENCES label,
    price_id bigint NOT NULL REFERENCES price,
    store_id store_id NOT NULL REFERENCES store,
    content_digest digest NOT NULL,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'sent', 'displayed', 'pending', 'superseded', 'failed')),
    attempts smallint NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 4),
    next_attempt_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    finished_at timestamptz,
    detail text CHECK (length(detail) <= 300),
    CHECK (state NOT IN ('displayed', 'superseded', 'failed') OR finished_at IS NOT NULL)
);
CREATE UNIQUE INDEX price_update_open ON price_update (label_id)
    WHERE state IN ('queued', 'sent', 'pending');
CREATE INDEX price_update_by_label ON price_update (label_id, created_at);
CREATE INDEX price_update_by_price ON price_update (price_id);
CREATE INDEX price_update_by_store ON price_update (store_id);
CREATE INDEX price_update_due ON price_update (next_attempt_at) WHERE state IN ('queued', 'sent');
COMMENT ON TABLE price_update IS 'One delivery record per label and change: displayed, not delivered.';
COMMENT ON COLUMN price_update.content_digest IS 'SHA-256 of what the label shall show; its ack must carry the same.';
COMMENT ON COLUMN price_update.attempts IS 'Sends: the first and at most three retries (P9).';
CALL make_tenant('price_update');
CALL let_process('endcap_ingest', 'price_update');
CALL let_process('endcap_worker', 'price_update');
GRANT SELECT, UPDATE ON price_update TO endcap_ingest;
GRANT SELECT, INSERT, UPDATE ON price_update TO endcap_worker, endcap_api;
GRANT SELECT ON price_update TO endcap_admin;

CREATE TABLE pricing_rule (
    rule_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 120),
    kind text NOT NULL CHECK (kind IN ('match', 'percent', 'min_margin', 'schedule', 'expiry')),
    category text,
    item_id uuid REFERENCES item,
    priority integer NOT NULL DEFAULT 0,
    parameters jsonb NOT NULL CHECK (jsonb_typeof(parameters) = 'object'),
    enabled boolean NOT NULL DEFAULT true,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pricing_rule_by_store ON pricing_rule (store_id);
CREATE INDEX pricing_rule_by_item ON pricing_rule (item_id);
COMMENT ON TABLE pricing_rule IS 'Automatic pricing (S-045) and custom expiry rules, which go before the default (P17).';
COMMENT ON COLUMN pricing_rule.priority IS 'The highest wins.';
COMMENT ON COLUMN pricing_rule.created_by IS 'Account id.';
CALL make_tenant('pricing_rule');
CALL let_process('endcap_worker', 'pricing_rule');
GRANT SELECT ON pricing_rule TO endcap_worker, endcap_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON pricing_rule TO endcap_api;

CREATE TABLE category_bound (
    store_id store_id NOT NULL REFERENCES store,
    category text NOT NULL,
    min_minor price_minor NOT NULL,
    max_minor price_minor NOT NULL,
    PRIMARY KEY (store_id, category),
    CHECK (min_minor <= max_minor)
);
COMMENT ON TABLE category_bound IS 'Least and highest price a category may have (S-090).';
COMMENT ON COLUMN category_bound.min_minor IS 'In the store''s currency.';
CALL make_tenant('category_bound');
CALL let_process('endcap_worker', 'category_bound');
GRANT SELECT ON category_bound TO endcap_worker, endcap_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON category_bound TO endcap_api;

CREATE TABLE flash_sale (
    flash_sale_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    item_id uuid NOT NULL REFERENCES item,
    batch_id uuid REFERENCES item_batch,
    store_id store_id NOT NULL REFERENCES store,
    price_minor price_minor NOT NULL,
    regular_minor price_minor NOT NULL,
    discount_pct smallint NOT NULL CHECK (discount_pct BETWEEN 1 AND 99),
    started_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason text CHECK (end_reason IN ('expiry', 'stock_out', 'manual')),
    started_by text NOT NULL,
    CHECK (price_minor < regular_minor),
    CHECK (ends_at > started_at),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE UNIQUE INDEX flash_sale_open ON flash_sale (item_id) WHERE ended_at IS NULL;
CREATE INDEX flash_sale_by_item ON flash_sale (item_id);
CREATE INDEX flash_sale_by_batch ON flash_sale (batch_id);
CREATE INDEX flash_sale_by_store ON flash_sale (store_id);
COMMENT ON TABLE flash_sale IS 'A sale that ends by itself; at most one open an item.';
COMMENT ON COLUMN flash_sale.price_minor IS 'The sale price, minor units of the item''s currency.';
COMMENT ON COLUMN flash_sale.regular_minor IS 'The price to restore.';
CALL make_tenant('flash_sale');
CALL let_process('endcap_worker', 'flash_sale');
GRANT SELECT, INSERT, UPDATE ON flash_sale TO endcap_worker, endcap_api;
GRANT SELECT ON flash_sale TO endcap_admin;
