-- Partners and their stores (C-024): the tenants.

CREATE TABLE partner (
    partner_id text PRIMARY KEY CHECK (partner_id ~ '^[A-Z0-9][A-Z0-9-]{1,23}$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    billing_currency currency NOT NULL DEFAULT 'INR',
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz
);
COMMENT ON TABLE partner IS 'A supermarket chain: owns stores, is invoiced.';
COMMENT ON COLUMN partner.name IS 'The company''s name.';
COMMENT ON COLUMN partner.closed_at IS 'Set when the contract ended; rows stay for invoices.';

CREATE TABLE store (
    store_id store_id PRIMARY KEY,
    partner_id text NOT NULL REFERENCES partner,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    region text NOT NULL CHECK (region ~ '^[A-Z]{2}(-[A-Z0-9]{1,8})?$'),
    timezone text NOT NULL,
    currency currency NOT NULL DEFAULT 'INR',
    primary_language language NOT NULL DEFAULT 'en',
    geofence jsonb CHECK (jsonb_typeof(geofence) = 'object'),
    latitude double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision CHECK (longitude BETWEEN -180 AND 180),
    wifi_ssid text CHECK (octet_length(wifi_ssid) BETWEEN 1 AND 32),
    floor_plan jsonb CHECK (jsonb_typeof(floor_plan) = 'object'),
    catalogue_master text NOT NULL DEFAULT 'pos' CHECK (catalogue_master IN ('pos', 'platform')),
    phase text NOT NULL DEFAULT 'v1' CHECK (phase IN ('v1', 'v1.5', 'v2')),
    label_id_pattern text NOT NULL DEFAULT '^ESP32-[A-Z0-9]{6}$',
    settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);
CREATE INDEX store_by_partner ON store (partner_id);
CREATE INDEX store_by_region ON store (region);
COMMENT ON TABLE store IS 'One physical location; everything a tenant has hangs on its store_id.';
COMMENT ON COLUMN store.name IS 'The shop''s name.';
COMMENT ON COLUMN store.region IS 'ISO 3166-1 country, or 3166-2 subdivision ("IN-MH"): data residency, regional catalogue.';
COMMENT ON COLUMN store.timezone IS 'IANA name; days of reports are days here.';
COMMENT ON COLUMN store.geofence IS 'GeoJSON polygon of the premises, WGS 84; leaving it is parking-lot recovery (C-191).';
COMMENT ON COLUMN store.floor_plan IS 'Width and depth in cm, aisles and shelves with coordinates; carts report x_cm, y_cm on it.';
COMMENT ON COLUMN store.catalogue_master IS 'pos: prices come from the till system; platform: the dashboard decides. Never both.';
COMMENT ON COLUMN store.phase IS 'Which features are on (C-117).';
COMMENT ON COLUMN store.label_id_pattern IS 'Stricter pattern for the store''s label ids (S-091).';
COMMENT ON COLUMN store.settings IS 'Thresholds that differ here: battery, drift, tolerance; keys are documented by their readers.';

CREATE FUNCTION store_check_timezone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM now() AT TIME ZONE NEW.timezone;
    RETURN NEW;
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE EXCEPTION 'timezone % is not an IANA time zone', NEW.timezone
        USING ERRCODE = 'check_violation', CONSTRAINT = 'store_timezone_check';
END
$$;
CREATE TRIGGER store_check_timezone BEFORE INSERT OR UPDATE OF timezone ON store
    FOR EACH ROW EXECUTE FUNCTION store_check_timezone();

CALL make_tenant('store');
CALL let_process('endcap_ingest', 'store');
CALL let_process('endcap_worker', 'store');

ALTER TABLE partner ENABLE ROW LEVEL SECURITY;
ALTER TABLE partner FORCE ROW LEVEL SECURITY;
CREATE POLICY by_own_stores ON partner FOR SELECT TO endcap_api, endcap_admin
    USING (EXISTS (SELECT FROM store WHERE store.partner_id = partner.partner_id));
CREATE POLICY by_operator ON partner TO endcap_api, endcap_admin
    USING (sees_all()) WITH CHECK (sees_all());
CALL let_process('endcap_worker', 'partner');

GRANT SELECT ON store TO endcap_ingest;
GRANT SELECT ON store, partner TO endcap_worker;
GRANT SELECT, UPDATE ON store TO endcap_api;
GRANT SELECT ON partner TO endcap_api;
GRANT SELECT, INSERT, UPDATE ON store, partner TO endcap_admin;

CREATE TABLE store_section (
    section_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    aisle text NOT NULL CHECK (length(aisle) BETWEEN 1 AND 40),
    language language NOT NULL,
    UNIQUE (store_id, aisle)
);
COMMENT ON TABLE store_section IS 'An aisle and the language of its labels (P65).';
CALL make_tenant('store_section');
CALL let_process('endcap_worker', 'store_section');
GRANT SELECT ON store_section TO endcap_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON store_section TO endcap_api, endcap_admin;
