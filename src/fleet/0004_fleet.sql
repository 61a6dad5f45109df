-- Devices of a store: carts and labels, gateways and cameras, their certificates, shadows, commands.

CREATE TABLE cart (
    cart_id cart_id PRIMARY KEY,
    store_id store_id NOT NULL REFERENCES store,
    serial text NOT NULL UNIQUE CHECK (length(serial) BETWEEN 1 AND 64),
    firmware text CHECK (length(firmware) <= 32),
    hardware text CHECK (length(hardware) <= 32),
    slot text CHECK (slot IN ('A', 'B')),
    security_counter bigint CHECK (security_counter >= 0),
    mode text CHECK (mode IN ('active', 'idle', 'sleeping')),
    battery_pct smallint CHECK (battery_pct BETWEEN 0 AND 100),
    signal_dbm smallint CHECK (signal_dbm BETWEEN -127 AND 0),
    laser_deci_c smallint,
    drift_g integer,
    link text CHECK (link IN ('wifi', 'lte')),
    x_cm integer,
    y_cm integer,
    queued_events bigint CHECK (queued_events >= 0),
    catalog_version bigint CHECK (catalog_version >= 0),
    online boolean NOT NULL DEFAULT false,
    last_seen_at timestamptz,
    last_device_time timestamptz,
    last_boot_at timestamptz,
    boot_reason text,
    health_epoch bigint CHECK (health_epoch >= 1),
    health_counter bigint CHECK (health_counter >= 0),
    fault_code text,
    fault_at timestamptz,
    maintenance text CHECK (maintenance IN ('cleaning', 'charging', 'repair')),
    maintenance_by text,
    maintenance_at timestamptz,
    provisioned_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    CHECK ((x_cm IS NULL) = (y_cm IS NULL)),
    CHECK ((maintenance IS NULL) = (maintenance_at IS NULL)),
    CHECK (maintenance IS NULL OR maintenance_by IS NOT NULL)
);
CREATE INDEX cart_by_store ON cart (store_id);
COMMENT ON TABLE cart IS 'A smart cart and its latest state; history is telemetry.';
COMMENT ON COLUMN cart.serial IS 'Burnt at the factory; not the certificate''s serial.';
COMMENT ON COLUMN cart.slot IS 'Firmware bank that runs.';
COMMENT ON COLUMN cart.battery_pct IS 'Percent.';
COMMENT ON COLUMN cart.signal_dbm IS 'dBm, of the link in use.';
COMMENT ON COLUMN cart.laser_deci_c IS 'Scanner laser, tenths of a degree Celsius.';
COMMENT ON COLUMN cart.drift_g IS 'Calibration drift of the weight platform, grams.';
COMMENT ON COLUMN cart.x_cm IS 'On the store''s floor plan; kept when the cart goes offline (C-192).';
COMMENT ON COLUMN cart.queued_events IS 'Events waiting on the cart''s flash at its last health.';
COMMENT ON COLUMN cart.catalog_version IS 'Of its product cache; 0: none.';
COMMENT ON COLUMN cart.last_seen_at IS 'Our clock at the last event received.';
COMMENT ON COLUMN cart.last_device_time IS 'The cart''s clock at that event; the difference is skew.';
COMMENT ON COLUMN cart.health_counter IS 'Counter of the health shown, within health_epoch: an older one never overwrites it.';
COMMENT ON COLUMN cart.fault_code IS 'Newest fault not yet cleared.';
COMMENT ON COLUMN cart.maintenance IS 'Out of service for; null: in service (C-148).';
COMMENT ON COLUMN cart.maintenance_by IS 'Account id, or the name of an automation.';
CALL make_tenant('cart');
CALL let_process('endcap_ingest', 'cart');
CALL let_process('endcap_worker', 'cart');
GRANT SELECT, UPDATE ON cart TO endcap_ingest, endcap_worker;
GRANT SELECT, UPDATE ON cart TO endcap_api;
GRANT SELECT, INSERT, UPDATE ON cart TO endcap_admin;

CREATE TABLE maintenance_record (
    record_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cart_id cart_id NOT NULL REFERENCES cart,
    store_id store_id NOT NULL REFERENCES store,
    kind text NOT NULL CHECK (kind IN ('cleaning', 'charging', 'repair', 'cleared', 'suggested')),
    why text CHECK (length(why) <= 200),
    actor text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX maintenance_by_cart ON maintenance_record (cart_id, created_at);
CREATE INDEX maintenance_by_store ON maintenance_record (store_id);
COMMENT ON TABLE maintenance_record IS 'Every setting and clearing of a cart''s maintenance flag: who, when, why.';
COMMENT ON COLUMN maintenance_record.actor IS 'Account id, or the name of an automation.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON maintenance_record
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CALL make_tenant('maintenance_record');
CALL let_process('endcap_worker', 'maintenance_record');
GRANT SELECT, INSERT ON maintenance_record TO endcap_worker, endcap_api, endcap_admin;

CREATE TABLE gateway (
    gateway_id text PRIMARY KEY CHECK (gateway_id ~ '^GW-[A-Z0-9-]{3,20}$'),
    store_id store_id NOT NULL REFERENCES store,
    online boolean NOT NULL DEFAULT false,
    last_seen_at timestamptz,
    firmware text CHECK (length(firmware) <= 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
CREATE INDEX gateway_by_store ON gateway (store_id);
COMMENT ON TABLE gateway IS 'Bridges labels and shelf sensors to the broker; when it is down its labels are unreachable, not faulty (S-269).';
CALL make_tenant('gateway');
CALL let_process('endcap_worker', 'gateway');
GRANT SELECT, UPDATE ON gateway TO endcap_worker;
GRANT SELECT, UPDATE ON gateway TO endcap_api;
GRANT SELECT, INSERT, UPDATE ON gateway TO endcap_admin;

CREATE TABLE camera (
    camera_id text PRIMARY KEY CHECK (camera_id ~ '^CAM-[A-Z0-9-]{3,20}$'),
    store_id store_id NOT NULL REFERENCES store,
    gateway_id text REFERENCES gateway,
    aisle text NOT NULL,
    shelf text NOT NULL,
    region_map jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(region_map) = 'array'),
    last_image_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
CREATE INDEX camera_by_store ON camera (store_id);
CREATE INDEX camera_by_gateway ON camera (gateway_id);
COMMENT ON TABLE camera IS 'A shelf camera (S-180).';
COMMENT ON COLUMN camera.region_map IS 'Rectangles of the picture and the shelf position each shows.';
CALL make_tenant('camera');
CALL let_process('endcap_worker', 'camera');
GRANT SELECT, UPDATE ON camera TO endcap_worker;
GRANT SELECT ON camera TO endcap_api;
GRANT SELECT, INSERT, UPDATE ON camera TO endcap_admin;

CREATE TABLE label (
    label_id label_id PRIMARY KEY,
    store_id store_id NOT NULL REFERENCES store,
    gateway_id text REFERENCES gateway,
    item_id uuid,
    aisle text CHECK (length(aisle) BETWEEN 1 AND 40),
    shelf text CHECK (length(shelf) BETWEEN 1 AND 40),
    position text CHECK (length(position) BETWEEN 1 AND 40),
    display_type text NOT NULL DEFAULT 'eink' CHECK (display_type IN ('eink', 'tft')),
    firmware text CHECK (length(firmware) <= 32),
    language language,
    battery_pct smallint CHECK (battery_pct BETWEEN 0 AND 100),
    battery_days_left integer CHECK (battery_days_left >= 0),
    signal_dbm smallint CHECK (signal_dbm BETWEEN -127 AND 0),
    online boolean NOT NULL DEFAULT false,
    last_seen_at timestamptz,
    last_update_at timestamptz,
    shown_digest digest,
    shown_price_minor price_minor,
    nfc_id text UNIQUE CHECK (nfc_id ~ '^[A-Za-z0-9_-]{8,40}$'),
    provisioned_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
CREATE INDEX label_by_store ON label (store_id);
CREATE INDEX label_by_gateway ON label (gateway_id);
CREATE INDEX label_by_item ON label (item_id);
COMMENT ON TABLE label IS 'An electronic shelf label (the label document''s device); shows one item, an item has many labels.';
COMMENT ON COLUMN label.item_id IS 'Null: unassigned.';
COMMENT ON COLUMN label.language IS 'Null: the section''s, else the store''s.';
COMMENT ON COLUMN label.battery_days_left IS 'Estimate from the average daily consumption (P68).';
COMMENT ON COLUMN label.shown_digest IS 'SHA-256 of the content it confirmed to show.';
COMMENT ON COLUMN label.shown_price_minor IS 'Price it confirmed to show.';
COMMENT ON COLUMN label.nfc_id IS 'Unique identifier in its NFC tag (P31).';
CALL make_tenant('label');
CALL let_process('endcap_ingest', 'label');
CALL let_process('endcap_worker', 'label');
GRANT SELECT, UPDATE ON label TO endcap_ingest, endcap_worker, endcap_api;
GRANT SELECT, INSERT, UPDATE ON label TO endcap_admin;

CREATE TABLE device_certificate (
    serial text PRIMARY KEY CHECK (serial ~ '^[0-9A-F]{2,40}$'),
    device_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('cart', 'label', 'gateway', 'service')),
    store_id store_id REFERENCES store,
    subject text NOT NULL UNIQUE CHECK (length(subject) BETWEEN 1 AND 200),
    public_key bytea NOT NULL CHECK (octet_length(public_key) = 65 AND get_byte(public_key, 0) = 4),
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    revoke_reason text CHECK (length(revoke_reason) <= 100),
    CHECK (not_after > not_before),
    CHECK ((kind = 'service') = (store_id IS NULL)),
    CHECK (revoke_reason IS NULL OR revoked_at IS NOT NULL),
    CONSTRAINT device_certificate_device CHECK (CASE kind
        WHEN 'cart' THEN device_id ~ '^CART-[A-Z0-9]{4,12}$'
        WHEN 'label' THEN device_id ~ '^ESP32-[A-Z0-9]{3,12}$'
        WHEN 'gateway' THEN device_id ~ '^GW-[A-Z0-9-]{3,20}$'
        ELSE device_id ~ '^service:[a-z]{2,20}$' END)
);
CREATE UNIQUE INDEX device_certificate_current ON device_certificate (device_id)
    WHERE revoked_at IS NULL;
CREATE INDEX device_certificate_by_device ON device_certificate (device_id);
CREATE INDEX device_certificate_by_store ON device_certificate (store_id);
CREATE INDEX device_certificate_by_end ON device_certificate (not_after) WHERE revoked_at IS NULL;
COMMENT ON TABLE device_certificate IS 'Every certificate ever issued; at most one unrevoked a device.';
COMMENT ON COLUMN device_certificate.serial IS 'X.509 serial number, upper-case hexadecimal without separators.';
COMMENT ON COLUMN device_certificate.subject IS 'Whole distinguished name; unique over all certificates (P6).';
COMMENT ON COLUMN device_certificate.public_key IS 'P-256 point, uncompressed: 04, x, y.';
CREATE FUNCTION device_certificate_revoked_stays() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
        RAISE EXCEPTION 'certificate % is revoked for good', OLD.serial
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER device_certificate_revoked_stays BEFORE UPDATE ON device_certificate
    FOR EACH ROW EXECUTE FUNCTION device_certificate_revoked_stays();
CALL make_tenant('device_certificate');
CALL let_process('endcap_ingest', 'device_certificate');
CALL let_process('endcap_worker', 'device_certificate');
GRANT SELECT ON device_certificate TO endcap_ingest, endcap_worker, endcap_api;
GRANT SELECT, INSERT, UPDATE ON device_certificate TO endcap_admin;

CREATE TABLE shadow (
    device_id text PRIMARY KEY,
    store_id store_id NOT NULL REFERENCES store,
    desired jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(desired) = 'object'),
    reported jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(reported) = 'object'),
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    desired_at timestamptz,
    reported_at timestamptz,
    CHECK (device_id ~ '^(CART-[A-Z0-9]{4,12}|ESP32-[A-Z0-9]{3,12})$'),
    CHECK (pg_column_size(desired) <= 8192),
    CHECK (pg_column_size(reported) <= 8192)
);
CREATE INDEX shadow_by_store ON shadow (store_id);
COMMENT ON TABLE shadow IS 'What a cart or label should be (desired) and says it is (reported).';
COMMENT ON COLUMN shadow.version IS 'Rises with every change; an update naming another version is a conflict (S-154).';
CALL make_tenant('shadow');
CALL let_process('endcap_ingest', 'shadow');
CALL let_process('endcap_worker', 'shadow');
GRANT SELECT, INSERT, UPDATE ON shadow TO endcap_ingest, endcap_worker, endcap_api, endcap_admin;

CREATE TABLE command (
    cart_id cart_id NOT NULL REFERENCES cart,
    number bigint NOT NULL CHECK (number >= 1),
    store_id store_id NOT NULL REFERENCES store,
    kind text NOT NULL CHECK (kind IN ('sleep', 'wake', 'customer-override', 'pause', 'cancel',
                                       'restart', 'catalogue', 'firmware')),
    session_id text,
    version bigint CHECK (version >= 1),
    reason text CHECK (length(reason) <= 64),
    issued_by text NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'sent', 'done', 'ignored', 'expired', 'refused')),
    sent_at timestamptz,
    send_count integer NOT NULL DEFAULT 0 CHECK (send_count >= 0),
    answered_at timestamptz,
    PRIMARY KEY (cart_id, number),
    CHECK (expires_at > issued_at),
    CHECK (state <> 'sent' OR sent_at IS NOT NULL),
    CHECK (kind NOT IN ('catalogue') OR version IS NOT NULL)
);
CREATE INDEX command_by_store ON command (store_id);
CREATE INDEX command_open ON command (cart_id) WHERE state IN ('queued', 'sent');
COMMENT ON TABLE command IS 'What the platform tells a cart; signed and sent by the worker, sent again when the cart is back.';
COMMENT ON COLUMN command.number IS 'Rises by at least one for each command to this cart, over all epochs.';
COMMENT ON COLUMN command.version IS 'Of the catalogue, for kind catalogue.';
COMMENT ON COLUMN command.issued_by IS 'Account id, or the name of an automation.';
CREATE FUNCTION command_number_rises() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM command WHERE cart_id = NEW.cart_id AND number > NEW.number) THEN
        RAISE EXCEPTION 'command % of % is below one already issued', NEW.number, NEW.cart_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'command_number_rises';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER command_number_rises BEFORE INSERT ON command
    FOR EACH ROW EXECUTE FUNCTION command_number_rises();
CALL make_tenant('command');
CALL let_process('endcap_ingest', 'command');
CALL let_process('endcap_worker', 'command');
GRANT SELECT, UPDATE ON command TO endcap_ingest;
GRANT SELECT, INSERT, UPDATE ON command TO endcap_worker, endcap_api, endcap_admin;

CREATE TABLE bulk_job (
    job_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    kind text NOT NULL CHECK (kind IN ('config', 'price')),
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    retry_of uuid REFERENCES bulk_job,
    row_count integer NOT NULL CHECK (row_count BETWEEN 1 AND 100000),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX bulk_job_by_store ON bulk_job (store_id);
CREATE INDEX bulk_job_by_retry ON bulk_job (retry_of);
COMMENT ON TABLE bulk_job IS 'An upload of many changes at once: configuration (S-078) or prices (S-047).';
COMMENT ON COLUMN bulk_job.created_by IS 'Account id, or the name of an automation.';
CALL make_tenant('bulk_job');
CALL let_process('endcap_worker', 'bulk_job');
GRANT SELECT, INSERT, UPDATE ON bulk_job TO endcap_worker, endcap_api;
GRANT SELECT ON bulk_job TO endcap_admin;

CREATE TABLE bulk_row (
    job_id uuid NOT NULL REFERENCES bulk_job,
    row_number integer NOT NULL CHECK (row_number >= 1),
    store_id store_id NOT NULL REFERENCES store,
    target text NOT NULL,
    change jsonb NOT NULL,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'succeeded', 'failed', 'offline')),
    detail text CHECK (length(detail) <= 300),
    finished_at timestamptz,
    PRIMARY KEY (job_id, row_number)
);
CREATE INDEX bulk_row_by_store ON bulk_row (store_id);
COMMENT ON TABLE bulk_row IS 'One line of a bulk job and what became of it; a retry takes the failed ones.';
COMMENT ON COLUMN bulk_row.target IS 'Device id, or SKU.';
CALL make_tenant('bulk_row');
CALL let_process('endcap_worker', 'bulk_row');
GRANT SELECT, INSERT, UPDATE ON bulk_row TO endcap_worker;
GRANT SELECT, INSERT ON bulk_row TO endcap_api;
GRANT SELECT ON bulk_row TO endcap_admin;
