-- Firmware and how it reaches devices (C-083, C-154..C-160).

CREATE TABLE firmware (
    firmware_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind IN ('cart', 'label', 'gateway')),
    version text NOT NULL CHECK (version ~ '^[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}$'),
    hardware text NOT NULL CHECK (length(hardware) BETWEEN 1 AND 32),
    security_counter bigint NOT NULL CHECK (security_counter >= 0),
    size_bytes bigint NOT NULL CHECK (size_bytes BETWEEN 1 AND 67108864),
    image_digest digest NOT NULL,
    object_key text NOT NULL UNIQUE CHECK (length(object_key) <= 300),
    build_signature bytea CHECK (octet_length(build_signature) = 64),
    release_signature bytea CHECK (octet_length(release_signature) = 64),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz,
    UNIQUE (kind, hardware, version)
);
COMMENT ON TABLE firmware IS 'An image in the object store; two roles sign it before it may be rolled out.';
COMMENT ON COLUMN firmware.security_counter IS 'A device never runs an image below the highest it has run.';
COMMENT ON COLUMN firmware.image_digest IS 'SHA-256 of the image.';
COMMENT ON COLUMN firmware.created_by IS 'Account id.';
GRANT SELECT ON firmware TO endcap_worker, endcap_api;
GRANT SELECT, INSERT, UPDATE ON firmware TO endcap_admin;

CREATE TABLE rollout (
    rollout_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    firmware_id uuid NOT NULL REFERENCES firmware,
    cohort jsonb NOT NULL CHECK (jsonb_typeof(cohort) = 'object'),
    allow_downgrade boolean NOT NULL DEFAULT false,
    stop_failure_pct smallint NOT NULL DEFAULT 5 CHECK (stop_failure_pct BETWEEN 1 AND 100),
    state text NOT NULL DEFAULT 'draft'
        CHECK (state IN ('draft', 'running', 'paused', 'complete', 'aborted')),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    CHECK ((state IN ('complete', 'aborted')) = (finished_at IS NOT NULL))
);
CREATE INDEX rollout_by_firmware ON rollout (firmware_id);
COMMENT ON TABLE rollout IS 'A version on its way to a cohort; stops itself when too many fail.';
COMMENT ON COLUMN rollout.cohort IS 'Stores, regions, versions, percent, serials (C-155).';
COMMENT ON COLUMN rollout.stop_failure_pct IS 'Percent of devices that may fail.';
COMMENT ON COLUMN rollout.created_by IS 'Account id.';
GRANT SELECT, UPDATE ON rollout TO endcap_worker;
GRANT SELECT ON rollout TO endcap_api;
GRANT SELECT, INSERT, UPDATE ON rollout TO endcap_admin;

CREATE TABLE rollout_device (
    rollout_id uuid NOT NULL REFERENCES rollout,
    device_id text NOT NULL,
    store_id store_id NOT NULL REFERENCES store,
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'commanded', 'downloading', 'booted', 'rolled_back', 'failed')),
    from_version text,
    detail text CHECK (length(detail) <= 300),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rollout_id, device_id)
);
CREATE INDEX rollout_device_by_store ON rollout_device (store_id);
CREATE INDEX rollout_device_by_device ON rollout_device (device_id);
COMMENT ON TABLE rollout_device IS 'One device of a rollout; booted means its boot message said so (C-156).';
CALL make_tenant('rollout_device');
CALL let_process('endcap_ingest', 'rollout_device');
CALL let_process('endcap_worker', 'rollout_device');
GRANT SELECT, UPDATE ON rollout_device TO endcap_ingest;
GRANT SELECT, INSERT, UPDATE ON rollout_device TO endcap_worker;
GRANT SELECT ON rollout_device TO endcap_api, endcap_admin;
