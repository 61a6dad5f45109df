-- Orders that are picked in the store with Flash-to-Find (L5).

CREATE TABLE pick_order (
    order_id text PRIMARY KEY CHECK (order_id ~ '^ORD-[A-Z0-9-]{1,20}$'),
    store_id store_id NOT NULL REFERENCES store,
    picker_id uuid REFERENCES account,
    status text NOT NULL DEFAULT 'received'
        CHECK (status IN ('received', 'picking', 'ready', 'delivered', 'cancelled')),
    flash_colour text CHECK (flash_colour ~ '^#[0-9A-F]{6}$'),
    flash_pattern text CHECK (flash_pattern IN ('pulse', 'blink', 'solid')),
    created_at timestamptz NOT NULL DEFAULT now(),
    flash_started_at timestamptz,
    picked_at timestamptz,
    delivered_at timestamptz,
    CHECK (status NOT IN ('ready', 'delivered') OR picked_at IS NOT NULL),
    CHECK ((status = 'delivered') = (delivered_at IS NOT NULL))
);
CREATE INDEX pick_order_by_store ON pick_order (store_id, created_at);
CREATE INDEX pick_order_by_picker ON pick_order (picker_id);
COMMENT ON TABLE pick_order IS 'An order of the label document; ready when every line was confirmed (P30).';
COMMENT ON COLUMN pick_order.picker_id IS 'The delivery partner''s account.';
COMMENT ON COLUMN pick_order.flash_colour IS 'Tells two orders at one label apart (S-189).';
CALL make_tenant('pick_order');
CALL let_process('endcap_worker', 'pick_order');
GRANT SELECT, UPDATE ON pick_order TO endcap_worker;
GRANT SELECT, INSERT, UPDATE ON pick_order TO endcap_api;
GRANT SELECT ON pick_order TO endcap_admin;

CREATE TABLE pick_line (
    order_id text NOT NULL REFERENCES pick_order,
    line integer NOT NULL CHECK (line BETWEEN 1 AND 500),
    store_id store_id NOT NULL REFERENCES store,
    item_id uuid NOT NULL REFERENCES item,
    label_id label_id REFERENCES label,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 999),
    picked_quantity integer NOT NULL DEFAULT 0,
    flash_state text NOT NULL DEFAULT 'none'
        CHECK (flash_state IN ('none', 'sent', 'flashing', 'stopped', 'offline', 'no_label')),
    flash_until timestamptz,
    confirmed_at timestamptz,
    PRIMARY KEY (order_id, line),
    CHECK (picked_quantity BETWEEN 0 AND quantity)
);
CREATE INDEX pick_line_by_store ON pick_line (store_id);
CREATE INDEX pick_line_by_item ON pick_line (item_id);
CREATE INDEX pick_line_by_label ON pick_line (label_id);
COMMENT ON TABLE pick_line IS 'One product of an order and the label that flashes for it.';
CALL make_tenant('pick_line');
CALL let_process('endcap_ingest', 'pick_line');
CALL let_process('endcap_worker', 'pick_line');
GRANT SELECT, UPDATE ON pick_line TO endcap_ingest, endcap_worker;
GRANT SELECT, INSERT, UPDATE ON pick_line TO endcap_api;
GRANT SELECT ON pick_line TO endcap_admin;
