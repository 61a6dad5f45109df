-- Who did what: one append-only trail for support, incidents and compliance (C-084, C-110, C-111).

CREATE TABLE audit_event (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id store_id REFERENCES store,
    actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 64),
    action text NOT NULL CHECK (action ~ '^[a-z]+(\.[a-z_]+){1,3}$'),
    target_kind text NOT NULL CHECK (target_kind ~ '^[a-z_]{1,30}$'),
    target text NOT NULL CHECK (length(target) BETWEEN 1 AND 128),
    request_id uuid,
    detail jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(detail) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (pg_column_size(detail) <= 4096)
);
CREATE INDEX audit_event_by_store ON audit_event (store_id, created_at);
CREATE INDEX audit_event_by_target ON audit_event (target_kind, target, created_at);
COMMENT ON TABLE audit_event IS 'An action of a person or automation on something; never altered.';
COMMENT ON COLUMN audit_event.actor IS 'Account id, service or the name of an automation.';
COMMENT ON COLUMN audit_event.action IS 'session.cancel, device.revoke, price.change, ...';
COMMENT ON COLUMN audit_event.detail IS 'What changed, in ids and figures; never a person''s data.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CALL make_tenant('audit_event');
CALL let_process('endcap_worker', 'audit_event');
GRANT SELECT, INSERT ON audit_event TO endcap_worker, endcap_api, endcap_admin;

CREATE TABLE idempotency_key (
    key_digest digest PRIMARY KEY,
    account_id uuid REFERENCES account,
    method text NOT NULL,
    path text NOT NULL CHECK (length(path) <= 500),
    request_digest digest NOT NULL,
    status smallint CHECK (status BETWEEN 100 AND 599),
    answer bytea CHECK (octet_length(answer) <= 262144),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idempotency_key_by_account ON idempotency_key (account_id);
CREATE INDEX idempotency_key_by_time ON idempotency_key (created_at);
COMMENT ON TABLE idempotency_key IS 'Answers to changing requests, given again to a repeat (C-202); kept a day.';
COMMENT ON COLUMN idempotency_key.key_digest IS 'SHA-256 of principal and Idempotency-Key.';
COMMENT ON COLUMN idempotency_key.request_digest IS 'SHA-256 of the request: another one under the same key is refused.';
COMMENT ON COLUMN idempotency_key.status IS 'Null while the first request runs.';
GRANT SELECT, INSERT, UPDATE ON idempotency_key TO endcap_api;
GRANT SELECT, DELETE ON idempotency_key TO endcap_worker;
