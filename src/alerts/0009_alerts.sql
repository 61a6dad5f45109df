-- What somebody must know, and how they were told.

CREATE TABLE alert (
    alert_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id REFERENCES store,
    kind text NOT NULL CHECK (kind IN ('empty_shelf', 'low_battery', 'device_offline',
        'compliance_violation', 'price_update_failed', 'expired_removal', 'price_gap',
        'missing_translation', 'certificate_expiring', 'competitor_sources_down', 'offline_24h',
        'weight_mismatch', 'payment_failed', 'security', 'fault', 'event_gap', 'calibration_drift',
        'reorder', 'session_mismatch', 'parking_lot', 'rollout', 'platform')),
    severity text NOT NULL CHECK (severity IN ('low', 'medium', 'high')),
    device_id text,
    session_id text,
    product_id text,
    cause_key text NOT NULL CHECK (length(cause_key) BETWEEN 1 AND 200),
    message text NOT NULL CHECK (length(message) BETWEEN 1 AND 500),
    demand_score double precision,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'acknowledged', 'resolved')),
    created_at timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz,
    acknowledged_by text,
    resolved_at timestamptz,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    occurrences bigint NOT NULL DEFAULT 1 CHECK (occurrences >= 1),
    CHECK ((status = 'resolved') = (resolved_at IS NOT NULL)),
    CHECK (status <> 'acknowledged' OR (acknowledged_at IS NOT NULL AND acknowledged_by IS NOT NULL))
);
CREATE UNIQUE INDEX alert_one_open_per_cause ON alert (store_id, cause_key) NULLS NOT DISTINCT
    WHERE status <> 'resolved';
CREATE INDEX alert_by_store ON alert (store_id, created_at);
CREATE INDEX alert_by_device ON alert (device_id);
COMMENT ON TABLE alert IS 'Every alert kind of both documents; at most one not resolved per store and cause.';
COMMENT ON COLUMN alert.store_id IS 'Null: of the platform itself.';
COMMENT ON COLUMN alert.product_id IS 'SKU.';
COMMENT ON COLUMN alert.cause_key IS 'What it is about, e.g. low_battery:CART-0001.';
COMMENT ON COLUMN alert.message IS 'One sentence; never names a person.';
COMMENT ON COLUMN alert.demand_score IS 'Sales velocity, for the order of empty shelves (P26).';
COMMENT ON COLUMN alert.acknowledged_by IS 'Account id.';
CALL make_tenant('alert');
CALL let_process('endcap_ingest', 'alert');
CALL let_process('endcap_worker', 'alert');
GRANT SELECT, INSERT, UPDATE ON alert TO endcap_ingest, endcap_worker;
GRANT SELECT, INSERT, UPDATE ON alert TO endcap_api;
GRANT SELECT, INSERT, UPDATE ON alert TO endcap_admin;

CREATE TABLE notification (
    notification_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id REFERENCES store,
    alert_id uuid NOT NULL REFERENCES alert,
    account_id uuid NOT NULL REFERENCES account,
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'push', 'dashboard')),
    language language NOT NULL DEFAULT 'en',
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'sent', 'delivered', 'failed', 'follow_up')),
    attempts smallint NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 4),
    next_attempt_at timestamptz,
    provider_ref text CHECK (length(provider_ref) <= 120),
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    UNIQUE (alert_id, account_id, channel)
);
CREATE INDEX notification_by_store ON notification (store_id);
CREATE INDEX notification_by_account ON notification (account_id);
CREATE INDEX notification_due ON notification (next_attempt_at) WHERE state IN ('queued', 'sent');
COMMENT ON TABLE notification IS 'One telling of one alert to one account by one channel; SMS falls back to e-mail, then dashboard.';
COMMENT ON COLUMN notification.state IS 'follow_up: every attempt failed, somebody must call (S-096).';
CALL make_tenant('notification');
CREATE POLICY own ON notification FOR SELECT TO endcap_api USING (account_id = acting_account());
CALL let_process('endcap_worker', 'notification');
GRANT SELECT, INSERT, UPDATE ON notification TO endcap_worker;
GRANT SELECT, UPDATE ON notification TO endcap_api;
GRANT SELECT ON notification TO endcap_admin;

CREATE TABLE on_call (
    store_id store_id NOT NULL REFERENCES store,
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 5),
    account_id uuid NOT NULL REFERENCES account,
    PRIMARY KEY (store_id, level, account_id)
);
CREATE INDEX on_call_by_account ON on_call (account_id);
COMMENT ON TABLE on_call IS 'Who is told of a store''s incidents, level after level (C-178).';
CALL make_tenant('on_call');
CALL let_process('endcap_worker', 'on_call');
GRANT SELECT ON on_call TO endcap_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON on_call TO endcap_api, endcap_admin;
