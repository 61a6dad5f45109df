-- Labels as a fleet: who bound what, battery history, certificate renewal, configuration defaults.

CREATE TABLE label_binding (
    binding_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label_id label_id NOT NULL REFERENCES label,
    store_id store_id NOT NULL REFERENCES store,
    item_id uuid REFERENCES item,
    actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 64),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX label_binding_by_label ON label_binding (label_id, created_at);
CREATE INDEX label_binding_by_item ON label_binding (item_id);
CREATE INDEX label_binding_by_store ON label_binding (store_id);
COMMENT ON TABLE label_binding IS 'Every binding of a label to a product, and every release (item_id null): who and when (S-265).';
COMMENT ON COLUMN label_binding.actor IS 'Account id, or the name of an automation.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON label_binding
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CALL make_tenant('label_binding');
CALL let_process('endcap_worker', 'label_binding');
GRANT SELECT, INSERT ON label_binding TO endcap_worker, endcap_api, endcap_admin;

CREATE TABLE label_battery (
    label_id label_id NOT NULL REFERENCES label,
    day date NOT NULL,
    store_id store_id NOT NULL REFERENCES store,
    first_pct smallint NOT NULL CHECK (first_pct BETWEEN 0 AND 100),
    last_pct smallint NOT NULL CHECK (last_pct BETWEEN 0 AND 100),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (label_id, day)
);
CREATE INDEX label_battery_by_store ON label_battery (store_id);
COMMENT ON TABLE label_battery IS 'First and last battery level of a UTC day: what the days left are estimated from (P68).';
CALL make_tenant('label_battery');
CALL let_process('endcap_ingest', 'label_battery');
CALL let_process('endcap_worker', 'label_battery');
GRANT SELECT, INSERT, UPDATE ON label_battery TO endcap_ingest;
GRANT SELECT, DELETE ON label_battery TO endcap_worker;
GRANT SELECT ON label_battery TO endcap_api, endcap_admin;

-- A renewed certificate and the one before it are both good until the device has used the new one.
ALTER TABLE device_certificate ADD COLUMN replaced_at timestamptz;
COMMENT ON COLUMN device_certificate.replaced_at IS 'A newer one was issued; revoked as soon as the device has connected with that.';
DROP INDEX device_certificate_current;
CREATE UNIQUE INDEX device_certificate_current ON device_certificate (device_id)
    WHERE revoked_at IS NULL AND replaced_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON device_certificate TO endcap_worker, endcap_api;
GRANT SELECT, INSERT, UPDATE ON gateway TO endcap_api;
GRANT INSERT ON cart TO endcap_api;

CREATE TABLE label_default (
    store_id store_id PRIMARY KEY REFERENCES store,
    config jsonb NOT NULL CHECK (jsonb_typeof(config) = 'object'),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE label_default IS 'Configuration of a store''s labels where nothing else was said.';
CALL make_tenant('label_default');
CALL let_process('endcap_worker', 'label_default');
GRANT SELECT ON label_default TO endcap_worker;
GRANT SELECT, INSERT, UPDATE ON label_default TO endcap_api, endcap_admin;

-- A gateway says nothing itself: it is down when all of its labels went silent together, or when an
-- operator says so.
ALTER TABLE gateway
    ADD COLUMN down_since timestamptz,
    ADD COLUMN marked_down_by text CHECK (length(marked_down_by) BETWEEN 1 AND 64),
    ADD CHECK (marked_down_by IS NULL OR down_since IS NOT NULL);
COMMENT ON COLUMN gateway.down_since IS 'Its labels are unreachable since then; null: up, or never heard of.';
COMMENT ON COLUMN gateway.marked_down_by IS 'Account id of who took it out of service; null: found by its labels'' silence.';

-- Labels and carts as people look at them, side by side. They run with their reader's rights. What
-- stands elsewhere is looked up a row at a time, so that a page in the order of ids costs a page.
CREATE VIEW device_label WITH (security_invoker = true) AS
SELECT l.label_id::text AS device_id, l.store_id::text AS store_id, 'label' AS kind,
       (SELECT i.sku FROM item i WHERE i.item_id = l.item_id) AS product_id,
       l.aisle, l.shelf, l.position, l.display_type, l.firmware,
       coalesce(l.language, (SELECT p.language FROM store_section p WHERE p.store_id = l.store_id
           AND p.aisle = l.aisle), (SELECT s.primary_language FROM store s
           WHERE s.store_id = l.store_id))::text AS language,
       l.battery_pct::bigint AS battery_pct, l.battery_days_left::bigint AS battery_days_left,
       l.signal_dbm::bigint AS signal_dbm, l.online,
       CASE WHEN l.online THEN 'online'
            WHEN EXISTS (SELECT FROM gateway g WHERE g.gateway_id = l.gateway_id
                AND g.down_since IS NOT NULL) THEN 'unreachable'
            WHEN l.asleep_until + l.sync_interval_s * interval '1 second' > now() THEN 'asleep'
            ELSE 'offline' END AS state,
       l.last_seen_at, l.last_update_at, l.asleep_until, l.gateway_id, l.provisioned_at,
       l.sync_interval_s::bigint AS sync_interval_s
FROM label l WHERE l.retired_at IS NULL;
CREATE VIEW device_cart WITH (security_invoker = true) AS
SELECT c.cart_id::text AS device_id, c.store_id::text AS store_id, 'cart' AS kind,
       NULL::text AS product_id, NULL::text AS aisle, NULL::text AS shelf, NULL::text AS position,
       NULL::text AS display_type, c.firmware, (SELECT s.primary_language FROM store s
           WHERE s.store_id = c.store_id)::text AS language,
       c.battery_pct::bigint AS battery_pct, NULL::bigint AS battery_days_left,
       c.signal_dbm::bigint AS signal_dbm, c.online,
       CASE WHEN c.online THEN 'online' WHEN c.mode = 'sleeping' THEN 'asleep' ELSE 'offline' END
           AS state,
       c.last_seen_at, NULL::timestamptz AS last_update_at, NULL::timestamptz AS asleep_until,
       NULL::text AS gateway_id, c.provisioned_at, NULL::bigint AS sync_interval_s
FROM cart c WHERE c.retired_at IS NULL;
CREATE VIEW device WITH (security_invoker = true) AS
SELECT * FROM device_label UNION ALL SELECT * FROM device_cart;
COMMENT ON VIEW device_label IS 'Labels in service; one is asleep until it is an interval overdue.';
COMMENT ON VIEW device_cart IS 'Carts in service, with the columns of a label.';
COMMENT ON VIEW device IS 'What GET /api/devices shows.';
GRANT SELECT ON device, device_label, device_cart TO endcap_api, endcap_worker, endcap_admin;

-- A certificate renewal under way; gone when the new one was used.
CREATE TABLE label_renewal (
    label_id label_id PRIMARY KEY REFERENCES label,
    store_id store_id NOT NULL REFERENCES store,
    number bigint NOT NULL CHECK (number >= 1),
    issued_serial text CHECK (issued_serial ~ '^[0-9A-F]{2,40}$'),
    requested_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX label_renewal_by_store ON label_renewal (store_id);
COMMENT ON TABLE label_renewal IS 'A label asked for a signing request, or given a new certificate it has not used yet (S-036).';
COMMENT ON COLUMN label_renewal.number IS 'desired.certificate.number.';
COMMENT ON COLUMN label_renewal.issued_serial IS 'Of the new certificate; null: the label''s request is awaited.';
CALL make_tenant('label_renewal');
CALL let_process('endcap_worker', 'label_renewal');
GRANT SELECT, INSERT, UPDATE, DELETE ON label_renewal TO endcap_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON label_renewal TO endcap_api;
