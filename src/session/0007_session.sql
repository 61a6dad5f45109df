-- Shopping trips (C-026..C-031) and what belongs to one. A scan is telemetry and has no table.

CREATE TABLE session (
    session_id text PRIMARY KEY CHECK (session_id ~ '^CART-[A-Z0-9]{4,12}\.[1-9][0-9]{0,18}\.[1-9][0-9]{0,18}$'),
    cart_id cart_id NOT NULL REFERENCES cart,
    store_id store_id NOT NULL REFERENCES store,
    account_id uuid REFERENCES account,
    epoch bigint NOT NULL CHECK (epoch >= 1),
    start_counter bigint NOT NULL CHECK (start_counter >= 1),
    end_counter bigint CHECK (end_counter >= 1),
    last_counter bigint NOT NULL CHECK (last_counter >= 1),
    status text NOT NULL CHECK (status IN ('active', 'paused', 'complete', 'abandoned', 'voided')),
    hold_reason text CHECK (hold_reason IN ('customer', 'staff', 'payment', 'idle')),
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    first_received_at timestamptz NOT NULL DEFAULT now(),
    identity_method text CHECK (identity_method IN ('loyalty', 'payment-card', 'app-qr')),
    identity_ref digest,
    identity_conflict boolean NOT NULL DEFAULT false,
    item_count bigint,
    scan_count bigint CHECK (scan_count >= 0),
    unpriced bigint CHECK (unpriced >= 0),
    total_minor bigint,
    currency currency,
    computed_item_count bigint NOT NULL DEFAULT 0,
    computed_scan_count bigint NOT NULL DEFAULT 0 CHECK (computed_scan_count >= 0),
    computed_total_minor bigint NOT NULL DEFAULT 0,
    reconcile_state text NOT NULL DEFAULT 'open'
        CHECK (reconcile_state IN ('open', 'pending', 'reconciled', 'mismatch')),
    reconcile_reasons text[] NOT NULL DEFAULT '{}',
    late_events integer NOT NULL DEFAULT 0 CHECK (late_events >= 0),
    mismatch_count integer NOT NULL DEFAULT 0 CHECK (mismatch_count >= 0),
    CONSTRAINT session_id_names_its_start
        CHECK (session_id = cart_id || '.' || epoch::text || '.' || start_counter::text),
    CONSTRAINT session_hold CHECK (hold_reason IS NULL OR status = 'paused'),
    CONSTRAINT session_end CHECK ((ended_at IS NOT NULL) = (status IN ('complete', 'abandoned', 'voided'))),
    CONSTRAINT session_identity CHECK ((identity_ref IS NULL) = (identity_method IS NULL)),
    CONSTRAINT session_reconciled CHECK (reconcile_state = 'open' OR ended_at IS NOT NULL),
    CONSTRAINT session_mismatch_has_reason
        CHECK (reconcile_state <> 'mismatch' OR cardinality(reconcile_reasons) > 0)
);
CREATE UNIQUE INDEX session_one_open_per_cart ON session (cart_id)
    WHERE status IN ('active', 'paused');
CREATE INDEX session_by_cart ON session (cart_id, started_at);
CREATE INDEX session_by_store ON session (store_id, started_at);
CREATE INDEX session_by_account ON session (account_id);
CREATE INDEX session_to_reconcile ON session (store_id) WHERE reconcile_state IN ('pending', 'mismatch');
COMMENT ON TABLE session IS 'One shopping trip; guest first: the account may be absent for good.';
COMMENT ON COLUMN session.session_id IS '{cart}.{epoch}.{counter of its session-start}.';
COMMENT ON COLUMN session.account_id IS 'Opaque; null: a guest, or an identity not linked yet.';
COMMENT ON COLUMN session.end_counter IS 'Of its session-end; null for one the platform ended.';
COMMENT ON COLUMN session.last_counter IS 'Of the last event applied to it.';
COMMENT ON COLUMN session.started_at IS 'The cart''s clock.';
COMMENT ON COLUMN session.ended_at IS 'The cart''s clock.';
COMMENT ON COLUMN session.first_received_at IS 'Our clock.';
COMMENT ON COLUMN session.identity_ref IS 'SHA-256 of the opaque token of identify.';
COMMENT ON COLUMN session.item_count IS 'As session-end says; computed_item_count is ours.';
COMMENT ON COLUMN session.total_minor IS 'As session-end says, minor units.';
COMMENT ON COLUMN session.unpriced IS 'Quantity without a price when it ended.';
COMMENT ON COLUMN session.late_events IS 'Events that came for it after it had ended (C-126).';
COMMENT ON COLUMN session.mismatch_count IS 'Weight mismatches.';

-- C-125: what has ended stays as it was. Reconciliation is our own bookkeeping beside it, and an
-- account that is linked later (or unlinked with its deletion) is not the trip itself.
CREATE FUNCTION session_terminal_is_final() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    ours CONSTANT text[] := ARRAY['reconcile_state', 'reconcile_reasons', 'computed_item_count',
        'computed_scan_count', 'computed_total_minor', 'late_events', 'mismatch_count', 'account_id'];
BEGIN
    IF OLD.status IN ('complete', 'abandoned', 'voided')
        AND (to_jsonb(NEW) - ours) IS DISTINCT FROM (to_jsonb(OLD) - ours) THEN
        RAISE EXCEPTION 'session % has ended (%) and is final', OLD.session_id, OLD.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'session_terminal_is_final';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER session_terminal_is_final BEFORE UPDATE ON session
    FOR EACH ROW EXECUTE FUNCTION session_terminal_is_final();

CALL make_tenant('session');
CREATE POLICY own ON session FOR SELECT TO endcap_api USING (account_id = acting_account());
CALL let_process('endcap_ingest', 'session');
CALL let_process('endcap_worker', 'session');
GRANT SELECT, INSERT, UPDATE ON session TO endcap_ingest;
GRANT SELECT, UPDATE ON session TO endcap_worker;
GRANT SELECT, UPDATE ON session TO endcap_api;
GRANT SELECT ON session TO endcap_admin;

CREATE TABLE payment (
    payment_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id text NOT NULL UNIQUE REFERENCES session,
    store_id store_id NOT NULL REFERENCES store,
    token text NOT NULL UNIQUE CHECK (token ~ '^[A-Za-z0-9_-]{16,64}$'),
    amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 0 AND 999999999999),
    currency currency NOT NULL,
    status text NOT NULL CHECK (status IN ('approved', 'declined')),
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'refused')),
    refuse_reason text CHECK (refuse_reason ~ '^[a-z_]{1,40}$'),
    counter bigint NOT NULL CHECK (counter >= 1),
    device_time timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT payment_reason CHECK ((outcome = 'refused') = (refuse_reason IS NOT NULL)),
    CONSTRAINT payment_declined_is_refused CHECK (status = 'approved' OR outcome = 'refused')
);
CREATE INDEX payment_by_store ON payment (store_id, created_at);
COMMENT ON TABLE payment IS 'One authorization of a session: the terminal''s token, never card data (C-031).';
COMMENT ON COLUMN payment.token IS 'The terminal''s opaque authorization.';
COMMENT ON COLUMN payment.outcome IS 'What the cart was answered; the same for the same token, always.';
COMMENT ON COLUMN payment.counter IS 'Of the session-end that carried it.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payment
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CALL make_tenant('payment');
CALL let_process('endcap_ingest', 'payment');
CALL let_process('endcap_worker', 'payment');
GRANT SELECT, INSERT ON payment TO endcap_ingest;
GRANT SELECT ON payment TO endcap_worker, endcap_api, endcap_admin;

CREATE TABLE weight_mismatch (
    cart_id cart_id NOT NULL REFERENCES cart,
    epoch bigint NOT NULL CHECK (epoch >= 1),
    counter bigint NOT NULL CHECK (counter >= 1),
    session_id text NOT NULL,
    store_id store_id NOT NULL REFERENCES store,
    sku text,
    gtin text CHECK (gtin ~ '^[0-9]{8,14}$'),
    expected_g integer,
    actual_g integer,
    tolerance_g integer CHECK (tolerance_g >= 0),
    device_time timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved')),
    note text CHECK (length(note) <= 500),
    resolved_by text,
    resolved_at timestamptz,
    PRIMARY KEY (cart_id, epoch, counter),
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL))
);
CREATE INDEX weight_mismatch_by_session ON weight_mismatch (session_id);
CREATE INDEX weight_mismatch_by_store ON weight_mismatch (store_id, device_time);
COMMENT ON TABLE weight_mismatch IS 'A scan whose weight was not the expected one: for loss prevention, never blocks (C-041).';
COMMENT ON COLUMN weight_mismatch.session_id IS 'As the scan says; not a reference, since a scan may outlive an unknown session.';
COMMENT ON COLUMN weight_mismatch.note IS 'Staff''s finding.';
COMMENT ON COLUMN weight_mismatch.resolved_by IS 'Account id.';
CALL make_tenant('weight_mismatch');
CALL let_process('endcap_ingest', 'weight_mismatch');
CALL let_process('endcap_worker', 'weight_mismatch');
GRANT SELECT, INSERT ON weight_mismatch TO endcap_ingest;
GRANT SELECT ON weight_mismatch TO endcap_worker, endcap_admin;
GRANT SELECT, UPDATE ON weight_mismatch TO endcap_api;

CREATE TABLE receipt (
    session_id text PRIMARY KEY REFERENCES session,
    store_id store_id NOT NULL REFERENCES store,
    object_key text NOT NULL UNIQUE CHECK (length(object_key) BETWEEN 1 AND 300),
    content_digest digest NOT NULL,
    signature bytea NOT NULL CHECK (octet_length(signature) = 64),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX receipt_by_store ON receipt (store_id);
COMMENT ON TABLE receipt IS 'Where a session''s signed receipt lies in the object store (C-108).';
COMMENT ON COLUMN receipt.content_digest IS 'SHA-256 of the receipt.';
COMMENT ON COLUMN receipt.signature IS 'ECDSA P-256 of the platform over it, r and s.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON receipt
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CALL make_tenant('receipt');
CALL let_process('endcap_worker', 'receipt');
GRANT SELECT, INSERT ON receipt TO endcap_worker;
GRANT SELECT ON receipt TO endcap_api, endcap_admin;

CREATE TABLE pairing (
    pairing_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    cart_id cart_id NOT NULL REFERENCES cart,
    session_id text REFERENCES session,
    account_id uuid REFERENCES account,
    tablet_id uuid REFERENCES tablet,
    kind text NOT NULL CHECK (kind IN ('qr', 'ble-customer', 'ble-staff')),
    secret_digest digest NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CHECK (expires_at > created_at AND expires_at <= created_at + interval '15 minutes')
);
CREATE INDEX pairing_by_store ON pairing (store_id);
CREATE INDEX pairing_by_cart ON pairing (cart_id);
CREATE INDEX pairing_by_session ON pairing (session_id);
CREATE INDEX pairing_by_account ON pairing (account_id);
CREATE INDEX pairing_by_tablet ON pairing (tablet_id);
COMMENT ON TABLE pairing IS 'A phone or tablet beside a cart: short-lived, used once (C-163); proximity only, no command.';
COMMENT ON COLUMN pairing.secret_digest IS 'SHA-256 of what the cart showed.';
CALL make_tenant('pairing');
GRANT SELECT, INSERT, UPDATE ON pairing TO endcap_api;
GRANT SELECT ON pairing TO endcap_admin;
