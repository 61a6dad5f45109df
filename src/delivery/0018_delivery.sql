-- How a change reaches the labels: one durable record per label and change (design section 7).

DROP TABLE price_update;

CREATE TABLE delivery (
    delivery_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    label_id label_id NOT NULL REFERENCES label,
    store_id store_id NOT NULL,
    kind text NOT NULL CHECK (kind IN ('display', 'config', 'flash')),
    version bigint NOT NULL CHECK (version >= 1),
    content_digest digest,
    body jsonb CHECK (jsonb_typeof(body) = 'object'),
    item_id uuid,
    price_id bigint,
    job_id uuid,
    row_number integer CHECK (row_number >= 1),
    after_catalogue bigint CHECK (after_catalogue >= 1),
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'sent', 'displayed', 'pending', 'superseded', 'failed')),
    attempts smallint NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 4),
    next_attempt_at timestamptz DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    finished_at timestamptz,
    detail text CHECK (length(detail) <= 300),
    CHECK ((kind = 'display') = (content_digest IS NOT NULL)),
    CHECK ((kind = 'flash') = (body IS NOT NULL)),
    CHECK ((job_id IS NULL) = (row_number IS NULL)),
    CHECK ((state IN ('displayed', 'superseded', 'failed')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 50);
-- The busiest table there is. Of its references only the label's is checked: store, item, price and job
-- are copied from rows that the same transaction holds, none of which is ever deleted, and each check
-- costs as much as an index.
-- No index knows of state, attempts or sent_at: sending and sending again touch none (HOT).
CREATE UNIQUE INDEX delivery_open ON delivery (label_id, kind) WHERE finished_at IS NULL;
CREATE INDEX delivery_by_label ON delivery (label_id, created_at);
CREATE INDEX delivery_by_price ON delivery (price_id) WHERE price_id IS NOT NULL;
CREATE INDEX delivery_by_job ON delivery (job_id, row_number) WHERE job_id IS NOT NULL;
CREATE INDEX delivery_by_store ON delivery (store_id, created_at);
CREATE INDEX delivery_due ON delivery (next_attempt_at) WHERE finished_at IS NULL;
COMMENT ON TABLE delivery IS 'One record per label and change: displayed, not delivered.';
COMMENT ON COLUMN delivery.delivery_id IS 'The updateId of the message.';
COMMENT ON COLUMN delivery.kind IS 'display: what desired.display holds; config: desired.config; flash: the command in body.';
COMMENT ON COLUMN delivery.version IS 'Rises with every delivery of this kind to this label: the label ignores a lower one.';
COMMENT ON COLUMN delivery.content_digest IS 'SHA-256 of what the label shall show; its ack must carry the same.';
COMMENT ON COLUMN delivery.row_number IS 'The line of the bulk job that asked for it.';
COMMENT ON COLUMN delivery.after_catalogue IS 'Not before this version of the store''s catalogue was published: a fall reaches cart and till first.';
COMMENT ON COLUMN delivery.state IS 'displayed: confirmed by the label (a configuration: applied; a flash: begun). pending: asleep or offline, the shadow will bring it.';
COMMENT ON COLUMN delivery.next_attempt_at IS 'Not sent before; sent_at and attempts say when it is sent again. Null: pending until the label is heard of.';
COMMENT ON COLUMN delivery.attempts IS 'Sends: the first and at most three retries (P9).';
CALL make_tenant('delivery');
CALL let_process('endcap_ingest', 'delivery');
CALL let_process('endcap_worker', 'delivery');
GRANT SELECT, UPDATE ON delivery TO endcap_ingest;
GRANT SELECT, INSERT, UPDATE ON delivery TO endcap_worker, endcap_api, endcap_admin;

ALTER TABLE label
    ADD COLUMN connected_at timestamptz,
    ADD COLUMN asleep_until timestamptz,
    ADD COLUMN sync_interval_s integer NOT NULL DEFAULT 300 CHECK (sync_interval_s BETWEEN 5 AND 86400),
    ADD COLUMN shown_version bigint CHECK (shown_version >= 0),
    ADD COLUMN shown_at timestamptz,
    ADD COLUMN shown_product_id text CHECK (length(shown_product_id) <= 32),
    ADD COLUMN shown_language language,
    ADD COLUMN stream_epoch bigint NOT NULL DEFAULT 0 CHECK (stream_epoch >= 0),
    ADD COLUMN stream_through bigint NOT NULL DEFAULT 0 CHECK (stream_through >= 0);
COMMENT ON COLUMN label.online IS 'Connected, as far as the broker and its own messages tell.';
COMMENT ON COLUMN label.asleep_until IS 'It announced deep sleep until then; null: awake or lost.';
COMMENT ON COLUMN label.sync_interval_s IS 'How often it comes by unasked; three missed: offline.';
COMMENT ON COLUMN label.shown_version IS 'Of the display it confirmed to show.';
COMMENT ON COLUMN label.stream_through IS 'Its events of stream_epoch through this counter are stored: what it may forget.';
-- A label that restarts its life keeps its row; the shadow and the deliveries are upserted through it.
GRANT SELECT, INSERT ON label TO endcap_api;

ALTER TABLE shadow ADD COLUMN own_config jsonb NOT NULL DEFAULT '{}'
    CHECK (jsonb_typeof(own_config) = 'object' AND pg_column_size(own_config) <= 2048);
COMMENT ON COLUMN shadow.own_config IS 'Configuration said for this device alone, over the store''s label_default.';

-- Written over and over: room on their pages for the next version, and old ones cleared away early.
ALTER TABLE shadow SET (fillfactor = 50);
ALTER TABLE label SET (fillfactor = 70);
ALTER TABLE item SET (fillfactor = 70);
ALTER TABLE delivery SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- A new version of a store's catalogue is given to its carts at once, and what falls in price waits for that.
CREATE FUNCTION catalogue_feed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('endcap_catalogue', NEW.store_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER catalogue_feed AFTER INSERT OR UPDATE OF version ON catalogue_version
    FOR EACH ROW EXECUTE FUNCTION catalogue_feed();
