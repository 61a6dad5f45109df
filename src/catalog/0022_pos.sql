-- Synchronisation from a store's till system: files that were taken in, once each.

CREATE TABLE pos_sync (
    sync_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    channel text NOT NULL CHECK (channel IN ('rest', 'drop')),
    mode text NOT NULL CHECK (mode IN ('full', 'delta')),
    source_version text CHECK (length(source_version) <= 64),
    content_digest digest NOT NULL,
    state text NOT NULL CHECK (state IN ('done', 'refused', 'repeated')),
    read_count integer NOT NULL CHECK (read_count >= 0),
    refused_count integer NOT NULL CHECK (refused_count >= 0),
    added_count integer NOT NULL CHECK (added_count >= 0),
    changed_count integer NOT NULL CHECK (changed_count >= 0),
    repriced_count integer NOT NULL CHECK (repriced_count >= 0),
    deleted_count integer NOT NULL CHECK (deleted_count >= 0),
    refusals jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(refusals) = 'array'),
    finished_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pos_sync_by_store ON pos_sync (store_id, finished_at);
COMMENT ON TABLE pos_sync IS 'What each synchronisation from the till system did; the last one''s health (C-187).';
COMMENT ON COLUMN pos_sync.content_digest IS 'SHA-256 of what was sent: the same again changes nothing.';
COMMENT ON COLUMN pos_sync.refusals IS 'Rows that were refused: line, field, constraint.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON pos_sync
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CALL make_tenant('pos_sync');
CALL let_process('endcap_worker', 'pos_sync');
GRANT SELECT, INSERT ON pos_sync TO endcap_worker, endcap_api, endcap_admin;
GRANT SELECT, INSERT ON catalogue_import TO endcap_worker;
GRANT INSERT ON item TO endcap_worker;
GRANT DELETE ON translation_gap TO endcap_api, endcap_admin;
CALL let_process('endcap_worker', 'catalogue_import');
