-- What a store used, and what its partner owes (C-085, C-180, C-181).

CREATE TABLE usage_month (
    store_id store_id NOT NULL REFERENCES store,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    active_carts integer NOT NULL DEFAULT 0 CHECK (active_carts >= 0),
    active_labels integer NOT NULL DEFAULT 0 CHECK (active_labels >= 0),
    messages bigint NOT NULL DEFAULT 0 CHECK (messages >= 0),
    message_bytes bigint NOT NULL DEFAULT 0 CHECK (message_bytes >= 0),
    lte_bytes bigint NOT NULL DEFAULT 0 CHECK (lte_bytes >= 0),
    telemetry_bytes bigint NOT NULL DEFAULT 0 CHECK (telemetry_bytes >= 0),
    object_bytes bigint NOT NULL DEFAULT 0 CHECK (object_bytes >= 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, month)
);
COMMENT ON TABLE usage_month IS 'Metered usage of a store and month.';
COMMENT ON COLUMN usage_month.month IS 'Its first day, in the store''s timezone.';
COMMENT ON COLUMN usage_month.lte_bytes IS 'Of message_bytes, those that came over LTE-M.';
COMMENT ON COLUMN usage_month.telemetry_bytes IS 'Stored at the month''s end.';
CALL make_tenant('usage_month');
CALL let_process('endcap_worker', 'usage_month');
GRANT SELECT, INSERT, UPDATE ON usage_month TO endcap_worker;
GRANT SELECT ON usage_month TO endcap_api, endcap_admin;

CREATE TABLE invoice (
    invoice_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    partner_id text NOT NULL REFERENCES partner,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    number text NOT NULL UNIQUE CHECK (length(number) BETWEEN 1 AND 40),
    total_minor bigint NOT NULL CHECK (total_minor >= 0),
    currency currency NOT NULL,
    lines jsonb NOT NULL CHECK (jsonb_typeof(lines) = 'array'),
    object_key text CHECK (length(object_key) <= 300),
    issued_at timestamptz NOT NULL DEFAULT now(),
    paid_at timestamptz,
    UNIQUE (partner_id, month)
);
COMMENT ON TABLE invoice IS 'A partner''s invoice of one month.';
COMMENT ON COLUMN invoice.lines IS 'Store, quantity, unit price and amount in minor units.';
ALTER TABLE invoice ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoice FORCE ROW LEVEL SECURITY;
CREATE POLICY by_operator ON invoice FOR SELECT TO endcap_api, endcap_admin USING (sees_all());
CALL let_process('endcap_worker', 'invoice');
GRANT SELECT, INSERT, UPDATE ON invoice TO endcap_worker;
GRANT SELECT ON invoice TO endcap_api, endcap_admin;
