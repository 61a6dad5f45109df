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
