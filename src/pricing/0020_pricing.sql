-- What is charged, which lags behind the shelf on a rise; prices to come; requests to the till system.

ALTER TABLE item
    ADD COLUMN charge_minor price_minor,
    ADD COLUMN charge_since timestamptz,
    ADD COLUMN is_flash_sale boolean NOT NULL DEFAULT false,
    ADD COLUMN regular_minor price_minor,
    ADD CONSTRAINT item_charge_is_never_above CHECK (charge_minor IS NULL OR charge_minor < price_minor);
CREATE INDEX item_by_sku ON item (sku) WHERE deleted_at IS NULL;
CREATE INDEX item_charge_lag ON item (store_id) WHERE charge_minor IS NOT NULL;
COMMENT ON COLUMN item.price_minor IS 'The price in force: what the labels shall show.';
COMMENT ON COLUMN item.charge_minor IS 'What cart and till still charge while a rise has not reached every label; null: price_minor.';
COMMENT ON COLUMN item.charge_since IS 'When the rise began that charge_minor waits for.';
COMMENT ON COLUMN item.is_flash_sale IS 'On sale: the label shows regular_minor struck through.';
COMMENT ON COLUMN item.regular_minor IS 'The price before the sale.';

CREATE TABLE price_schedule (
    schedule_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    item_id uuid NOT NULL REFERENCES item,
    price_minor price_minor NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 40),
    effective_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'applied', 'cancelled', 'refused')),
    detail text CHECK (length(detail) <= 300),
    created_by text NOT NULL CHECK (length(created_by) BETWEEN 1 AND 64),
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX price_schedule_due ON price_schedule (effective_at) WHERE state = 'waiting';
CREATE INDEX price_schedule_by_item ON price_schedule (item_id);
CREATE INDEX price_schedule_by_store ON price_schedule (store_id);
COMMENT ON TABLE price_schedule IS 'Prices that take effect later; given in the store''s timezone, kept in UTC.';
COMMENT ON COLUMN price_schedule.price_minor IS 'Minor units of the item''s currency.';
COMMENT ON COLUMN price_schedule.created_by IS 'Account id, or the name of an automation.';
CALL make_tenant('price_schedule');
CALL let_process('endcap_worker', 'price_schedule');
GRANT SELECT, INSERT, UPDATE ON price_schedule TO endcap_worker, endcap_api;
GRANT SELECT ON price_schedule TO endcap_admin;

CREATE TABLE price_request (
    request_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    item_id uuid NOT NULL REFERENCES item,
    price_minor price_minor NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 40),
    requested_by text NOT NULL CHECK (length(requested_by) BETWEEN 1 AND 64),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'withdrawn')),
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX price_request_by_store ON price_request (store_id, created_at);
CREATE INDEX price_request_by_item ON price_request (item_id);
COMMENT ON TABLE price_request IS 'A price somebody asks the till system for, where the till system is the master.';
COMMENT ON COLUMN price_request.price_minor IS 'Minor units of the item''s currency.';
COMMENT ON COLUMN price_request.state IS 'done: a synchronisation brought this price.';
CALL make_tenant('price_request');
CALL let_process('endcap_worker', 'price_request');
GRANT SELECT, INSERT, UPDATE ON price_request TO endcap_worker, endcap_api, endcap_admin;

ALTER TABLE price DROP CONSTRAINT price_reason_check;
ALTER TABLE price ADD CONSTRAINT price_reason_check CHECK (reason IN ('import', 'manual', 'bulk', 'rule',
    'competitor_match', 'flash_sale_start', 'flash_sale_end', 'expiry', 'rollback', 'correction',
    'schedule', 'pos_sync'));
GRANT SELECT, INSERT, UPDATE ON price, item TO endcap_worker, endcap_api, endcap_admin;
GRANT SELECT, INSERT ON translation_gap TO endcap_api, endcap_admin;
GRANT SELECT ON competitor_price TO endcap_worker, endcap_api;
GRANT SELECT, INSERT, UPDATE ON bulk_job TO endcap_worker, endcap_api;
GRANT SELECT, INSERT, UPDATE ON bulk_row TO endcap_worker, endcap_api;
ALTER TABLE bulk_row DROP CONSTRAINT bulk_row_state_check;
ALTER TABLE bulk_row ADD CONSTRAINT bulk_row_state_check
    CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'offline'));
COMMENT ON COLUMN bulk_row.state IS 'running: applied, its deliveries are under way; offline: a label will get it when it is back.';
CREATE INDEX bulk_row_open ON bulk_row (job_id, row_number) WHERE state IN ('queued', 'running', 'offline');
CREATE INDEX bulk_job_running ON bulk_job (kind, created_at) WHERE state = 'running';

CREATE TABLE pricing_run (
    store_id store_id PRIMARY KEY REFERENCES store,
    ran_at timestamptz NOT NULL,
    looked_at integer NOT NULL CHECK (looked_at >= 0),
    changed_count integer NOT NULL CHECK (changed_count >= 0),
    refused_count integer NOT NULL CHECK (refused_count >= 0)
);
COMMENT ON TABLE pricing_run IS 'When a store''s pricing rules were last applied, and what came of it.';
COMMENT ON COLUMN pricing_run.looked_at IS 'Items the rules cover.';
CALL make_tenant('pricing_run');
CALL let_process('endcap_worker', 'pricing_run');
GRANT SELECT, INSERT, UPDATE ON pricing_run TO endcap_worker, endcap_api;
GRANT SELECT ON pricing_run TO endcap_admin;
ALTER TABLE category_bound ADD CONSTRAINT category_bound_category_check
    CHECK (octet_length(category) BETWEEN 1 AND 120);

-- The same rule, told by columns where the planner's own machinery sees it: a bulk of ten thousand
-- closes ten thousand rows.
DROP TRIGGER price_is_history ON price;
CREATE TRIGGER price_is_history BEFORE UPDATE ON price FOR EACH ROW
    WHEN (OLD.valid_to IS NOT NULL
        OR (NEW.price_id, NEW.item_id, NEW.store_id, NEW.version, NEW.price_minor, NEW.previous_minor,
            NEW.mrp_minor, NEW.currency, NEW.is_flash_sale, NEW.reason, NEW.changed_by, NEW.valid_from)
        IS DISTINCT FROM
           (OLD.price_id, OLD.item_id, OLD.store_id, OLD.version, OLD.price_minor, OLD.previous_minor,
            OLD.mrp_minor, OLD.currency, OLD.is_flash_sale, OLD.reason, OLD.changed_by, OLD.valid_from))
    EXECUTE FUNCTION price_is_history();
CREATE TRIGGER price_is_never_deleted BEFORE DELETE ON price
    FOR EACH ROW EXECUTE FUNCTION price_is_history();

-- How many rows of a job are in which state, as differences: a sum over few rows instead of a count
-- over all, and no row that all who work on one job would wait for.
CREATE TABLE bulk_tally (
    job_id uuid NOT NULL REFERENCES bulk_job ON DELETE CASCADE,
    store_id store_id NOT NULL REFERENCES store,
    state text NOT NULL,
    difference integer NOT NULL
);
CREATE INDEX bulk_tally_by_job ON bulk_tally (job_id);
CREATE INDEX bulk_tally_by_store ON bulk_tally (store_id);
COMMENT ON TABLE bulk_tally IS 'By how much each statement changed the number of a job''s rows in a state.';
CALL make_tenant('bulk_tally');
CALL let_process('endcap_worker', 'bulk_tally');
GRANT SELECT, INSERT ON bulk_tally TO endcap_worker, endcap_api;
GRANT SELECT ON bulk_tally TO endcap_admin;

CREATE FUNCTION bulk_row_added() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bulk_tally (job_id, store_id, state, difference)
    SELECT job_id, store_id, state, count(*) FROM after GROUP BY job_id, store_id, state;
    RETURN NULL;
END
$$;
CREATE FUNCTION bulk_row_moved() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bulk_tally (job_id, store_id, state, difference)
    SELECT job_id, store_id, state, sum(n) FROM (
        SELECT job_id, store_id, state, 1 AS n FROM after
        UNION ALL SELECT job_id, store_id, state, -1 FROM before) AS moved
    GROUP BY job_id, store_id, state HAVING sum(n) <> 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER bulk_row_added AFTER INSERT ON bulk_row
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION bulk_row_added();
CREATE TRIGGER bulk_row_moved AFTER UPDATE ON bulk_row
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION bulk_row_moved();
