-- Pictures of shelves and what was found on them (L4).

CREATE TABLE shelf_image (
    image_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id store_id NOT NULL REFERENCES store,
    camera_id text NOT NULL REFERENCES camera,
    object_key text NOT NULL UNIQUE CHECK (length(object_key) <= 300),
    taken_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'seen', 'failed')),
    model text CHECK (length(model) <= 80)
);
CREATE INDEX shelf_image_by_store ON shelf_image (store_id, taken_at);
CREATE INDEX shelf_image_by_camera ON shelf_image (camera_id, taken_at);
CREATE INDEX shelf_image_waiting ON shelf_image (received_at) WHERE state = 'waiting';
COMMENT ON TABLE shelf_image IS 'A camera''s picture; the bytes are an object.';
COMMENT ON COLUMN shelf_image.model IS 'Which inference model looked, with its version.';
CALL make_tenant('shelf_image');
CALL let_process('endcap_worker', 'shelf_image');
GRANT SELECT, INSERT, UPDATE, DELETE ON shelf_image TO endcap_worker;
GRANT SELECT, INSERT ON shelf_image TO endcap_api;
GRANT SELECT ON shelf_image TO endcap_admin;

CREATE TABLE shelf_finding (
    image_id uuid NOT NULL REFERENCES shelf_image ON DELETE CASCADE,
    number integer NOT NULL CHECK (number >= 1),
    store_id store_id NOT NULL REFERENCES store,
    kind text NOT NULL CHECK (kind IN ('empty', 'stocked')),
    confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    box jsonb NOT NULL CHECK (jsonb_typeof(box) = 'object'),
    item_id uuid REFERENCES item,
    alert_id uuid REFERENCES alert,
    PRIMARY KEY (image_id, number)
);
CREATE INDEX shelf_finding_by_store ON shelf_finding (store_id);
CREATE INDEX shelf_finding_by_item ON shelf_finding (item_id);
CREATE INDEX shelf_finding_by_alert ON shelf_finding (alert_id);
COMMENT ON TABLE shelf_finding IS 'A region of a picture: empty or stocked, with confidence (S-065).';
COMMENT ON COLUMN shelf_finding.box IS 'x, y, width, height as fractions of the picture.';
COMMENT ON COLUMN shelf_finding.item_id IS 'What the planogram says stands there.';
CALL make_tenant('shelf_finding');
CALL let_process('endcap_worker', 'shelf_finding');
GRANT SELECT, INSERT ON shelf_finding TO endcap_worker;
GRANT SELECT ON shelf_finding TO endcap_api, endcap_admin;
