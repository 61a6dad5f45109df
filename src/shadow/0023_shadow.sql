-- What is due to be said about a shadow, and where a label's own words stand.

ALTER TABLE shadow ADD COLUMN delta_version bigint CHECK (delta_version >= 1);
COMMENT ON COLUMN shadow.delta_version IS 'Whoever changes desired without a delivery writes the new version here: the worker publishes shadow/delta to the device and clears it.';
CREATE INDEX shadow_delta_due ON shadow (device_id) WHERE delta_version IS NOT NULL;

-- An acknowledgement changes no indexed column: with room in its page it costs no index entry.
ALTER TABLE label SET (fillfactor = 70);
ALTER TABLE label
    ADD COLUMN status_epoch bigint NOT NULL DEFAULT 0 CHECK (status_epoch >= 0),
    ADD COLUMN status_counter bigint NOT NULL DEFAULT 0 CHECK (status_counter >= 0),
    ADD COLUMN shown_epoch bigint NOT NULL DEFAULT 0 CHECK (shown_epoch >= 0),
    ADD COLUMN shown_counter bigint NOT NULL DEFAULT 0 CHECK (shown_counter >= 0),
    ADD COLUMN config_version bigint NOT NULL DEFAULT 0 CHECK (config_version >= 0),
    ADD COLUMN connected_serial text CHECK (connected_serial ~ '^[0-9A-F]{2,40}$');
COMMENT ON COLUMN label.status_counter IS 'Of the status shown here, within status_epoch: an older one never overwrites it.';
COMMENT ON COLUMN label.shown_counter IS 'Of the event that shown_version comes from, within shown_epoch.';
COMMENT ON COLUMN label.config_version IS 'Of the configuration it says it runs on.';
COMMENT ON COLUMN label.connected_serial IS 'Of the certificate it last connected with: a renewed one is in use.';
