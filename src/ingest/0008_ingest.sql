-- Where each device's stream of events stands, and what was refused.

CREATE TABLE cart_stream (
    cart_id cart_id NOT NULL REFERENCES cart,
    epoch bigint NOT NULL CHECK (epoch >= 1),
    watermark bigint NOT NULL DEFAULT 0 CHECK (watermark >= 0),
    above bytea NOT NULL DEFAULT '' CHECK (octet_length(above) <= 128),
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    store_id store_id NOT NULL REFERENCES store,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cart_id, epoch)
);
CREATE INDEX cart_stream_by_store ON cart_stream (store_id);
COMMENT ON TABLE cart_stream IS 'A cart''s events of one epoch: what is durable or accounted for.';
COMMENT ON COLUMN cart_stream.watermark IS 'Everything through this counter is accounted for; never falls.';
COMMENT ON COLUMN cart_stream.above IS 'Bitmap of 1,024 counters beyond the watermark; lowest bit of the first byte is watermark + 1.';
COMMENT ON COLUMN cart_stream.version IS 'Rises with every change: a writer that saw another one must read again.';
CREATE FUNCTION cart_stream_only_rises() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.watermark < OLD.watermark THEN
        RAISE EXCEPTION 'watermark of % epoch % would fall from % to %',
            OLD.cart_id, OLD.epoch, OLD.watermark, NEW.watermark
            USING ERRCODE = 'check_violation', CONSTRAINT = 'cart_stream_only_rises';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER cart_stream_only_rises BEFORE UPDATE ON cart_stream
    FOR EACH ROW EXECUTE FUNCTION cart_stream_only_rises();
CALL make_tenant('cart_stream');
CALL let_process('endcap_ingest', 'cart_stream');
CALL let_process('endcap_worker', 'cart_stream');
GRANT SELECT, INSERT, UPDATE ON cart_stream TO endcap_ingest;
GRANT SELECT ON cart_stream TO endcap_worker, endcap_api, endcap_admin;

CREATE TABLE stream_gap (
    cart_id cart_id NOT NULL REFERENCES cart,
    epoch bigint NOT NULL CHECK (epoch >= 1),
    from_counter bigint NOT NULL CHECK (from_counter >= 0),
    to_counter bigint NOT NULL,
    reported_counter bigint NOT NULL CHECK (reported_counter >= 1),
    store_id store_id NOT NULL REFERENCES store,
    dropped_health bigint NOT NULL DEFAULT 0 CHECK (dropped_health >= 0),
    dropped_fault bigint NOT NULL DEFAULT 0 CHECK (dropped_fault >= 0),
    dropped_scan bigint NOT NULL DEFAULT 0 CHECK (dropped_scan >= 0),
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cart_id, epoch, reported_counter),
    CHECK (to_counter >= from_counter)
);
CREATE INDEX stream_gap_by_store ON stream_gap (store_id);
CREATE INDEX stream_gap_by_counter ON stream_gap (cart_id, epoch, from_counter);
COMMENT ON TABLE stream_gap IS 'Events a cart reported, signed, as lost for lack of flash or damaged on it.';
COMMENT ON COLUMN stream_gap.from_counter IS 'First damaged counter; 0 and 0 when none had one.';
COMMENT ON COLUMN stream_gap.reported_counter IS 'Of the gap record itself.';
COMMENT ON COLUMN stream_gap.dropped_health IS 'Events refused for lack of flash, never given a counter.';
CALL make_tenant('stream_gap');
CALL let_process('endcap_ingest', 'stream_gap');
GRANT SELECT, INSERT ON stream_gap TO endcap_ingest;
GRANT SELECT ON stream_gap TO endcap_api, endcap_admin;

CREATE TABLE ingest_checkpoint (
    writer text PRIMARY KEY CHECK (length(writer) BETWEEN 1 AND 48),
    position bigint NOT NULL CHECK (position >= 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ingest_checkpoint IS 'Telemetry of each writer that the entities already contain; written in the same transaction.';
COMMENT ON COLUMN ingest_checkpoint.position IS 'Of the last block applied.';
GRANT SELECT, INSERT, UPDATE ON ingest_checkpoint TO endcap_ingest;
GRANT SELECT ON ingest_checkpoint TO endcap_worker, endcap_api, endcap_admin;

CREATE TABLE fault (
    cart_id cart_id NOT NULL REFERENCES cart,
    epoch bigint NOT NULL CHECK (epoch >= 1),
    counter bigint NOT NULL CHECK (counter >= 1),
    store_id store_id NOT NULL REFERENCES store,
    code text NOT NULL CHECK (code ~ '^[a-z][a-z-]{1,30}$'),
    severity text NOT NULL CHECK (severity IN ('low', 'medium', 'high')),
    session_id text,
    detail text CHECK (length(detail) <= 64),
    device_time timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cart_id, epoch, counter)
);
CREATE INDEX fault_by_store ON fault (store_id, device_time);
CREATE INDEX fault_by_session ON fault (session_id);
COMMENT ON TABLE fault IS 'Error events of carts.';
COMMENT ON COLUMN fault.session_id IS 'As the cart says.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON fault
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CALL make_tenant('fault');
CALL let_process('endcap_ingest', 'fault');
CALL let_process('endcap_worker', 'fault');
GRANT SELECT, INSERT ON fault TO endcap_ingest;
GRANT SELECT ON fault TO endcap_worker, endcap_api, endcap_admin;

CREATE TABLE dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    topic text NOT NULL CHECK (octet_length(topic) <= 1024),
    claimed_device text NOT NULL DEFAULT '' CHECK (octet_length(claimed_device) <= 64),
    store_id store_id REFERENCES store,
    reason text NOT NULL CHECK (reason ~ '^[a-z0-9_]{1,40}$'),
    field text CHECK (length(field) <= 64),
    field_limit bigint,
    epoch bigint,
    counter bigint,
    body bytea NOT NULL CHECK (octet_length(body) <= 16384),
    body_digest digest NOT NULL,
    occurrences bigint NOT NULL DEFAULT 1 CHECK (occurrences >= 1),
    last_received_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded')),
    decided_by text,
    decided_at timestamptz,
    UNIQUE (claimed_device, reason, body_digest),
    CHECK ((state = 'open') = (decided_at IS NULL))
);
CREATE INDEX dead_letter_by_store ON dead_letter (store_id, received_at);
CREATE INDEX dead_letter_by_time ON dead_letter (received_at, dead_letter_id);
CREATE INDEX dead_letter_open ON dead_letter (dead_letter_id) WHERE state = 'open';
COMMENT ON TABLE dead_letter IS 'Messages that were refused, with the reason: the dead-letter desk.';
COMMENT ON COLUMN dead_letter.claimed_device IS 'As topic or body say it; '''' when neither can be read. Not trusted.';
COMMENT ON COLUMN dead_letter.store_id IS 'Of the claimed device, when it exists; null rows are the operator''s.';
COMMENT ON COLUMN dead_letter.body IS 'The frame''s first bytes, as they came.';
COMMENT ON COLUMN dead_letter.body_digest IS 'SHA-256 of the whole frame.';
COMMENT ON COLUMN dead_letter.decided_by IS 'Account id.';
CALL make_tenant('dead_letter');
CALL let_process('endcap_ingest', 'dead_letter');
CALL let_process('endcap_worker', 'dead_letter');
GRANT SELECT, INSERT, UPDATE ON dead_letter TO endcap_ingest;
GRANT SELECT ON dead_letter TO endcap_worker;
GRANT SELECT, UPDATE ON dead_letter TO endcap_api, endcap_admin;
