-- The ground: what every tenant table stands on. Runs as the owner role; the login roles own nothing.

-- Which rows a person's process may see is said per connection or transaction, by two settings:
--   endcap.scope    'operator' sees every store; 'login' only looks up accounts; anything else: by list
--   endcap.stores   the store ids, separated by commas
--   endcap.account  the account in whose name the process speaks (uuid)
-- Unset means nothing is seen.
CREATE FUNCTION sees_all() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(current_setting('endcap.scope', true), '') = 'operator';

CREATE FUNCTION sees_store(store text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(current_setting('endcap.scope', true), '') = 'operator'
    OR coalesce(store = ANY (string_to_array(current_setting('endcap.stores', true), ',')), false);

CREATE FUNCTION acting_account() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('endcap.account', true), '')::uuid;

-- Forces row security on a table with a store_id and lets endcap_api and endcap_admin at the rows
-- of the stores they see. The rows a null store_id marks are the operator's.
CREATE PROCEDURE make_tenant(which regclass)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', which);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', which);
    EXECUTE format('CREATE POLICY by_store ON %s TO endcap_api, endcap_admin '
                   'USING (sees_store(store_id)) WITH CHECK (sees_store(store_id))', which);
END
$$;

-- Lets a platform process (ingest, worker) at every store's rows of one table; what it may do with
-- them is said by its grants.
CREATE PROCEDURE let_process(process name, which regclass)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE POLICY %I ON %s TO %I USING (true) WITH CHECK (true)',
                   'for_' || process, which, process);
END
$$;

-- Rows that say what happened are never altered (used as a trigger on UPDATE and DELETE).
CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE DOMAIN store_id AS text CHECK (VALUE ~ '^[A-Z0-9][A-Z0-9-]{2,23}$');
CREATE DOMAIN cart_id AS text CHECK (VALUE ~ '^CART-[A-Z0-9]{4,12}$');
CREATE DOMAIN label_id AS text CHECK (VALUE ~ '^ESP32-[A-Z0-9]{3,12}$');
CREATE DOMAIN currency AS char(3) CHECK (VALUE ~ '^[A-Z]{3}$');
CREATE DOMAIN digest AS bytea CHECK (octet_length(VALUE) = 32);
-- S-147: 0.01 to 999999.99 in minor units.
CREATE DOMAIN price_minor AS bigint CHECK (VALUE BETWEEN 1 AND 99999999);
CREATE DOMAIN language AS text CHECK (VALUE IN ('en', 'hi', 'ta', 'te', 'bn', 'mr'));
COMMENT ON DOMAIN price_minor IS 'Minor units of the currency beside it.';
COMMENT ON DOMAIN language IS 'ISO 639-1, one of the six the platform speaks (S-110).';

-- Texts by language: an object whose keys are languages and whose values are texts, English always there.
CREATE FUNCTION is_translated(texts jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_typeof(texts) = 'object'
    AND texts ? 'en'
    AND length(texts ->> 'en') BETWEEN 1 AND 500
    AND texts - ARRAY['en', 'hi', 'ta', 'te', 'bn', 'mr'] = '{}'::jsonb
    AND NOT jsonb_path_exists(texts, '$.* ? (@.type() != "string")');

CREATE TABLE process_metric (
    process text NOT NULL CHECK (length(process) BETWEEN 1 AND 32),
    instance text NOT NULL CHECK (length(instance) BETWEEN 1 AND 64),
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,95}$'),
    labels jsonb NOT NULL DEFAULT '{}',
    kind text NOT NULL CHECK (kind IN ('counter', 'gauge', 'histogram', 'summary')),
    value double precision NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (process, instance, name, labels)
);
COMMENT ON TABLE process_metric IS
    'The latest figures of every process, upserted about once a second; GET /metrics prints them.';
COMMENT ON COLUMN process_metric.process IS 'ingest, api, worker, broker.';
COMMENT ON COLUMN process_metric.instance IS 'Which of several: the writer name, or host and pid.';
COMMENT ON COLUMN process_metric.labels IS 'Prometheus labels; never a person or a store''s customer.';
GRANT SELECT, INSERT, UPDATE, DELETE ON process_metric TO endcap_ingest, endcap_worker, endcap_api;
GRANT SELECT ON process_metric TO endcap_admin;
