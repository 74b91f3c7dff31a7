-- Inventory-service: products, every movement of their stock, and the reservations that hold stock for orders.
-- All of it lives in the schema `inventory`; nothing here refers to the tables of order-service.
-- Times of a new row are those of its statement, so that it begins with `updated_at` = `created_at`.

CREATE SCHEMA IF NOT EXISTS inventory;

-- Keeps `updated_at` and `version` (the ETag) true for every change, also for one made by hand in psql.
CREATE FUNCTION inventory.touch_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;

-- `stock_quantity` is what can still be promised: stock on hand less what reservations hold.
-- The CHECK constraints are the last line behind "never oversold": no code path can get past them.
-- fillfactor leaves room for the new version of a hot row on its own page.
CREATE TABLE inventory.products (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku                 TEXT NOT NULL CONSTRAINT products_sku_length CHECK (char_length(sku) BETWEEN 1 AND 64),
    name                TEXT NOT NULL CONSTRAINT products_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    description         TEXT,
    price               NUMERIC(12, 2) NOT NULL CONSTRAINT products_price_positive CHECK (price > 0),
    stock_quantity      INTEGER NOT NULL CONSTRAINT products_stock_not_negative CHECK (stock_quantity >= 0),
    low_stock_threshold INTEGER NOT NULL DEFAULT 10
                        CONSTRAINT products_threshold_not_negative CHECK (low_stock_threshold >= 0),
    active              BOOLEAN NOT NULL DEFAULT TRUE,
    version             BIGINT NOT NULL DEFAULT 1,
    created_at          TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    updated_at          TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    deleted_at          TIMESTAMPTZ
) WITH (fillfactor = 50);

-- A SKU is unique among the living: a deleted product gives its SKU free and keeps its history.
CREATE UNIQUE INDEX products_sku_unique ON inventory.products (sku) WHERE deleted_at IS NULL;

CREATE TRIGGER products_touch BEFORE UPDATE ON inventory.products
    FOR EACH ROW EXECUTE FUNCTION inventory.touch_row();

-- Append-only: the stock of a product is the sum of its movements, at every moment.
CREATE TABLE inventory.stock_movements (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id    BIGINT NOT NULL REFERENCES inventory.products (id),
    delta         INTEGER NOT NULL CONSTRAINT stock_movements_move_something CHECK (delta <> 0),
    reason        TEXT NOT NULL CONSTRAINT stock_movements_reason
                  CHECK (reason IN ('RECEIPT', 'SALE', 'RELEASE', 'ADJUSTMENT')),
    reference     TEXT,
    balance_after INTEGER NOT NULL CONSTRAINT stock_movements_balance_not_negative CHECK (balance_after >= 0),
    created_at    TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp()
);

CREATE INDEX stock_movements_of_product ON inventory.stock_movements (product_id, id DESC);

CREATE FUNCTION inventory.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER stock_movements_append_only BEFORE UPDATE OR DELETE ON inventory.stock_movements
    FOR EACH ROW EXECUTE FUNCTION inventory.refuse_change();

-- Stock set aside for one order; `id` is the order's reference.
CREATE TABLE inventory.reservations (
    id         UUID PRIMARY KEY,
    status     TEXT NOT NULL CONSTRAINT reservations_status CHECK (status IN ('HELD', 'COMMITTED', 'RELEASED')),
    created_at TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    expires_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    version    BIGINT NOT NULL DEFAULT 1
);

CREATE INDEX reservations_held ON inventory.reservations (created_at) WHERE status = 'HELD';

CREATE TRIGGER reservations_touch BEFORE UPDATE ON inventory.reservations
    FOR EACH ROW EXECUTE FUNCTION inventory.touch_row();

-- SKU, name and price are copies: what the customer bought, whatever becomes of the product.
CREATE TABLE inventory.reservation_items (
    reservation_id UUID NOT NULL REFERENCES inventory.reservations (id),
    product_id     BIGINT NOT NULL REFERENCES inventory.products (id),
    sku            TEXT NOT NULL,
    name           TEXT NOT NULL,
    quantity       INTEGER NOT NULL CONSTRAINT reservation_items_quantity_positive CHECK (quantity > 0),
    unit_price     NUMERIC(12, 2) NOT NULL CONSTRAINT reservation_items_price_positive CHECK (unit_price > 0),
    PRIMARY KEY (reservation_id, product_id)
);

CREATE VIEW inventory.low_stock_products AS
SELECT id, sku, name, stock_quantity, low_stock_threshold
FROM inventory.products
WHERE deleted_at IS NULL AND stock_quantity <= low_stock_threshold;

-- Empty as long as nothing was oversold and every change of stock was written down.
CREATE VIEW inventory.stock_breaches AS
SELECT p.id AS product_id, p.sku, p.stock_quantity, COALESCE(m.moved, 0) AS moved
FROM inventory.products p
LEFT JOIN (SELECT product_id, SUM(delta) AS moved FROM inventory.stock_movements GROUP BY product_id) m
       ON m.product_id = p.id
WHERE p.stock_quantity < 0 OR p.stock_quantity <> COALESCE(m.moved, 0);
