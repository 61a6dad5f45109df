-- Raising and resolving, the same for every process: one open alert per store and cause.

ALTER TABLE alert DROP CONSTRAINT alert_kind_check;
ALTER TABLE alert ADD CONSTRAINT alert_kind_check CHECK (kind IN ('empty_shelf', 'low_battery',
    'device_offline', 'compliance_violation', 'price_update_failed', 'expired_removal', 'price_gap',
    'missing_translation', 'certificate_expiring', 'competitor_sources_down', 'offline_24h',
    'weight_mismatch', 'payment_failed', 'security', 'fault', 'event_gap', 'calibration_drift',
    'reorder', 'session_mismatch', 'parking_lot', 'rollout', 'platform', 'gateway_offline',
    'pos_sync', 'rule_refused'));

ALTER TABLE alert ADD COLUMN resolved_by text CHECK (length(resolved_by) BETWEEN 1 AND 64),
    ADD CHECK (resolved_by IS NULL OR resolved_at IS NOT NULL);
COMMENT ON COLUMN alert.resolved_by IS 'Account id; null: the platform saw that the cause is gone.';

-- True when this call opened it; one that is open counts an occurrence more.
CREATE FUNCTION raise_alert(in_store text, in_kind text, in_severity text, in_device text,
                            in_product text, in_cause text, in_message text) RETURNS boolean
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO alert AS a (store_id, kind, severity, device_id, product_id, cause_key, message)
    VALUES (in_store, in_kind, in_severity, in_device, in_product, in_cause, in_message)
    ON CONFLICT (store_id, cause_key) WHERE status <> 'resolved'
    DO UPDATE SET occurrences = a.occurrences + 1, last_seen_at = now(), message = excluded.message
    RETURNING occurrences = 1;
END;
COMMENT ON FUNCTION raise_alert IS 'Opens the alert of a store and cause, or counts one more of it.';

-- True when there was one to resolve.
CREATE FUNCTION resolve_alert(in_store text, in_cause text) RETURNS boolean
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    WITH done AS (
        UPDATE alert SET status = 'resolved', resolved_at = now()
        WHERE store_id IS NOT DISTINCT FROM in_store AND cause_key = in_cause AND status <> 'resolved'
        RETURNING 1)
    SELECT EXISTS (SELECT FROM done);
END;
COMMENT ON FUNCTION resolve_alert IS 'Resolves the open alert of a store and cause, if there is one.';

-- As lists are ordered: the worst first, then the newest; empty shelves by what sells (P26).
CREATE INDEX alert_in_order ON alert
    ((CASE severity WHEN 'high' THEN 3 WHEN 'medium' THEN 2 ELSE 1 END), created_at, alert_id);
CREATE INDEX alert_by_demand ON alert ((coalesce(demand_score, -1)), created_at, alert_id)
    WHERE kind = 'empty_shelf';
CREATE INDEX alert_by_change ON alert ((greatest(created_at, acknowledged_at, resolved_at)));
CREATE INDEX alert_open_by_cause ON alert (cause_key) WHERE status <> 'resolved';

-- The live feed: every alert that opens or changes its status is told to who listens.
CREATE FUNCTION alert_feed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.status <> OLD.status THEN
        PERFORM pg_notify('endcap_feed', json_build_object('kind', 'alert', 'storeId', NEW.store_id,
            'id', NEW.alert_id, 'status', NEW.status)::text);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER alert_feed AFTER INSERT OR UPDATE ON alert FOR EACH ROW EXECUTE FUNCTION alert_feed();

-- A payment that failed is over when its trip is: paid after all, voided or abandoned.
CREATE FUNCTION session_end_resolves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM resolve_alert(NEW.store_id, 'payment_failed:' || NEW.session_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER session_end_resolves AFTER INSERT OR UPDATE OF ended_at ON session
    FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION session_end_resolves();
