-- Accounts and memberships. `account` is the only table that holds personal data (C-023, C-104): its
-- sealed columns are ciphertext under the people key, its digests are keyed (HMAC) so that a copy of
-- the table can't be searched by guessing. Every such column's comment begins with "pii:".

CREATE TABLE account (
    account_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind IN ('customer', 'person')),
    email_sealed bytea,
    email_digest digest UNIQUE,
    phone_sealed bytea,
    phone_digest digest UNIQUE,
    name_sealed bytea,
    payment_methods_sealed bytea,
    payment_digests bytea[] NOT NULL DEFAULT '{}',
    loyalty_sealed bytea,
    loyalty_digests bytea[] NOT NULL DEFAULT '{}',
    totp_sealed bytea,
    key_version integer NOT NULL DEFAULT 1 CHECK (key_version >= 1),
    password_hash text CHECK (password_hash LIKE '$argon2id$%'),
    mfa text NOT NULL DEFAULT 'none' CHECK (mfa IN ('none', 'totp', 'sms')),
    language language NOT NULL DEFAULT 'en',
    auto_pair boolean NOT NULL DEFAULT false,
    failed_logins integer NOT NULL DEFAULT 0 CHECK (failed_logins >= 0),
    locked_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    shredded_at timestamptz,
    CHECK (cardinality(payment_digests) <= 20),
    CHECK (cardinality(loyalty_digests) <= 20),
    CHECK ((email_sealed IS NULL) = (email_digest IS NULL)),
    CHECK ((phone_sealed IS NULL) = (phone_digest IS NULL)),
    CONSTRAINT account_shredded_is_empty CHECK (shredded_at IS NULL OR
        num_nonnulls(email_sealed, email_digest, phone_sealed, phone_digest, name_sealed,
                     payment_methods_sealed, loyalty_sealed, totp_sealed, password_hash) = 0
        AND payment_digests = '{}' AND loyalty_digests = '{}')
);
CREATE INDEX account_by_loyalty ON account USING gin (loyalty_digests);
CREATE INDEX account_by_payment ON account USING gin (payment_digests);
COMMENT ON TABLE account IS
    'A human: customer, or a person who works with the platform. The only table with personal data.';
COMMENT ON COLUMN account.account_id IS 'Opaque and random: not derivable from the email (C-169).';
COMMENT ON COLUMN account.email_sealed IS 'pii: sealed e-mail address.';
COMMENT ON COLUMN account.email_digest IS 'pii: keyed digest of the lower-case e-mail address, for login.';
COMMENT ON COLUMN account.phone_sealed IS 'pii: sealed E.164 phone number.';
COMMENT ON COLUMN account.phone_digest IS 'pii: keyed digest of the E.164 phone number.';
COMMENT ON COLUMN account.name_sealed IS 'pii: sealed name.';
COMMENT ON COLUMN account.payment_methods_sealed IS 'pii: sealed list of payment method references (tokens; never card data).';
COMMENT ON COLUMN account.payment_digests IS 'pii: keyed digests of the references, to find the account at identify.';
COMMENT ON COLUMN account.loyalty_sealed IS 'pii: sealed list of loyalty memberships.';
COMMENT ON COLUMN account.loyalty_digests IS 'pii: keyed digests of the loyalty ids, to find the account at identify.';
COMMENT ON COLUMN account.totp_sealed IS 'pii: sealed TOTP secret.';
COMMENT ON COLUMN account.key_version IS 'Version of the people key the row is sealed under.';
COMMENT ON COLUMN account.password_hash IS 'pii: Argon2id, encoded form.';
COMMENT ON COLUMN account.auto_pair IS 'Opt-in to BLE auto-pair, revocable (C-164).';
COMMENT ON COLUMN account.shredded_at IS 'The person is gone: sealed columns emptied, sessions stay anonymous (C-168).';

ALTER TABLE account ENABLE ROW LEVEL SECURITY;
ALTER TABLE account FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON account TO endcap_api
    USING (account_id = acting_account()) WITH CHECK (account_id = acting_account());
CREATE POLICY login ON account FOR SELECT TO endcap_api
    USING (current_setting('endcap.scope', true) IN ('login', 'operator'));
CREATE POLICY by_operator ON account TO endcap_admin USING (sees_all()) WITH CHECK (sees_all());
GRANT SELECT, INSERT, UPDATE ON account TO endcap_api, endcap_admin;

CREATE TABLE membership (
    membership_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES account,
    role text NOT NULL CHECK (role IN ('owner', 'manager', 'staff', 'picker', 'partner',
                                       'operator', 'auditor')),
    store_id store_id REFERENCES store,
    partner_id text REFERENCES partner,
    granted_by uuid REFERENCES account,
    granted_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CONSTRAINT membership_place CHECK (CASE
        WHEN role IN ('operator', 'auditor') THEN store_id IS NULL AND partner_id IS NULL
        WHEN role = 'partner' THEN store_id IS NULL AND partner_id IS NOT NULL
        ELSE store_id IS NOT NULL AND partner_id IS NULL END)
);
CREATE UNIQUE INDEX membership_once ON membership
    (account_id, role, coalesce(store_id, ''), coalesce(partner_id, '')) WHERE revoked_at IS NULL;
CREATE INDEX membership_by_account ON membership (account_id);
CREATE INDEX membership_by_store ON membership (store_id);
CREATE INDEX membership_by_partner ON membership (partner_id);
CREATE INDEX membership_by_granter ON membership (granted_by);
COMMENT ON TABLE membership IS 'What an account may be, and where: the roles of both documents.';
COMMENT ON COLUMN membership.role IS 'picker: delivery partner; partner: a chain''s head office; operator, auditor: the platform''s own.';
CALL make_tenant('membership');
CREATE POLICY own ON membership FOR SELECT TO endcap_api USING (account_id = acting_account());
CREATE POLICY login ON membership FOR SELECT TO endcap_api
    USING (current_setting('endcap.scope', true) = 'login');
CALL let_process('endcap_worker', 'membership');
GRANT SELECT ON membership TO endcap_worker;
GRANT SELECT, INSERT, UPDATE ON membership TO endcap_api, endcap_admin;

CREATE TABLE tablet (
    tablet_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    label text NOT NULL CHECK (length(label) BETWEEN 1 AND 60),
    secret_digest digest NOT NULL UNIQUE,
    registered_by uuid NOT NULL REFERENCES account,
    registered_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX tablet_by_store ON tablet (store_id);
CREATE INDEX tablet_by_registrar ON tablet (registered_by);
COMMENT ON TABLE tablet IS 'A staff tablet, bound to one store; a lost one is revoked (C-199).';
COMMENT ON COLUMN tablet.label IS 'What is written on its back ("Tablet 3").';
COMMENT ON COLUMN tablet.secret_digest IS 'SHA-256 of the registration secret.';
CALL make_tenant('tablet');
GRANT SELECT, INSERT, UPDATE ON tablet TO endcap_api, endcap_admin;

CREATE TABLE shopping_list_entry (
    entry_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account,
    wanted text NOT NULL CHECK (length(wanted) BETWEEN 1 AND 200),
    gtin char(14) CHECK (gtin ~ '^[0-9]{14}$'),
    quantity integer NOT NULL DEFAULT 1 CHECK (quantity BETWEEN 1 AND 99),
    checked boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL,
    removed_at timestamptz
);
CREATE INDEX shopping_list_by_account ON shopping_list_entry (account_id);
COMMENT ON TABLE shopping_list_entry IS 'The pre-shop list (C-068); edits made offline merge by changed_at.';
COMMENT ON COLUMN shopping_list_entry.entry_id IS 'Made by the phone, so that an edit sent twice is one entry.';
COMMENT ON COLUMN shopping_list_entry.wanted IS 'An article in the shopper''s words.';
ALTER TABLE shopping_list_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE shopping_list_entry FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON shopping_list_entry TO endcap_api
    USING (account_id = acting_account()) WITH CHECK (account_id = acting_account());
GRANT SELECT, INSERT, UPDATE, DELETE ON shopping_list_entry TO endcap_api;
