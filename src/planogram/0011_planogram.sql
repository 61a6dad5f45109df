-- What should stand where (L7), and where it did not.

CREATE TABLE planogram (
    planogram_id text PRIMARY KEY CHECK (planogram_id ~ '^PLANO-[A-Z0-9-]{1,20}$'),
    store_id store_id NOT NULL REFERENCES store,
    section text NOT NULL CHECK (length(section) BETWEEN 1 AND 40),
    version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 120),
    state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'active', 'retired')),
    source_key text CHECK (length(source_key) <= 300),
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    uploaded_by text NOT NULL,
    activated_at timestamptz,
    UNIQUE (store_id, section, version)
);
CREATE UNIQUE INDEX planogram_one_active ON planogram (store_id, section) WHERE state = 'active';
COMMENT ON TABLE planogram IS 'A plan of a section''s shelves; versions, one active a section (S-196).';
COMMENT ON COLUMN planogram.source_key IS 'The uploaded file in the object store.';
COMMENT ON COLUMN planogram.uploaded_by IS 'Account id.';
CALL make_tenant('planogram');
CALL let_process('endcap_worker', 'planogram');
GRANT SELECT, UPDATE ON planogram TO endcap_worker;
GRANT SELECT, INSERT, UPDATE ON planogram TO endcap_api;
GRANT SELECT ON planogram TO endcap_admin;

CREATE TABLE planogram_place (
    planogram_id text NOT NULL REFERENCES planogram,
    aisle text NOT NULL CHECK (length(aisle) BETWEEN 1 AND 40),
    shelf text NOT NULL CHECK (length(shelf) BETWEEN 1 AND 40),
    position text NOT NULL CHECK (length(position) BETWEEN 1 AND 40),
    store_id store_id NOT NULL REFERENCES store,
    item_id uuid NOT NULL REFERENCES item,
    facing_count integer NOT NULL CHECK (facing_count BETWEEN 1 AND 999),
    priority integer NOT NULL DEFAULT 0,
    x_cm integer CHECK (x_cm >= 0),
    y_cm integer CHECK (y_cm >= 0),
    PRIMARY KEY (planogram_id, aisle, shelf, position)
);
CREATE INDEX planogram_place_by_store ON planogram_place (store_id);
CREATE INDEX planogram_place_by_item ON planogram_place (item_id);
COMMENT ON TABLE planogram_place IS 'One place of a plan: the product, aisle, shelf, position, facings (P36).';
COMMENT ON COLUMN planogram_place.priority IS 'Brand agreements: higher is reported first.';
CALL make_tenant('planogram_place');
CALL let_process('endcap_worker', 'planogram_place');
GRANT SELECT ON planogram_place TO endcap_worker, endcap_admin;
GRANT SELECT, INSERT ON planogram_place TO endcap_api;

CREATE TABLE planogram_violation (
    violation_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    planogram_id text NOT NULL REFERENCES planogram,
    label_id label_id NOT NULL REFERENCES label,
    kind text NOT NULL CHECK (kind IN ('misplaced', 'missing', 'unplanned', 'facings')),
    expected jsonb,
    found jsonb,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz
);
CREATE UNIQUE INDEX planogram_violation_one_open ON planogram_violation (label_id)
    WHERE resolved_at IS NULL;
CREATE INDEX planogram_violation_by_label ON planogram_violation (label_id);
CREATE INDEX planogram_violation_by_store ON planogram_violation (store_id, noticed_at);
CREATE INDEX planogram_violation_by_plan ON planogram_violation (planogram_id);
COMMENT ON TABLE planogram_violation IS 'A label that is not where the plan says; at most one open a label (S-198).';
COMMENT ON COLUMN planogram_violation.expected IS 'Place of the plan; null: none.';
CALL make_tenant('planogram_violation');
CALL let_process('endcap_worker', 'planogram_violation');
GRANT SELECT, INSERT, UPDATE ON planogram_violation TO endcap_worker;
GRANT SELECT ON planogram_violation TO endcap_api, endcap_admin;
