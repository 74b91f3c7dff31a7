-- Order-service: orders, their lines, and every status they went through.
-- All of it lives in the schema `orders`; nothing here refers to the tables of inventory-service.
-- Times of a new row are those of its statement, so that it begins with `updated_at` = `created_at`.

CREATE SCHEMA IF NOT EXISTS orders;

-- Keeps `updated_at` and `version` (the ETag) true for every change, also for one made by hand in psql.
CREATE FUNCTION orders.touch_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;

-- `reference` is also the key of the reservation in inventory-service. Amounts are wider than a price: a hundred
-- lines of the largest quantity at the highest price still fit, so a sum cannot fail.
CREATE TABLE orders.orders (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference        UUID NOT NULL CONSTRAINT orders_reference_unique UNIQUE,
    customer_name    TEXT NOT NULL,
    customer_email   TEXT NOT NULL,
    customer_phone   TEXT,
    shipping_address TEXT NOT NULL,
    status           TEXT NOT NULL CONSTRAINT orders_status
                     CHECK (status IN ('PENDING', 'CONFIRMED', 'SHIPPED', 'DELIVERED', 'CANCELLED')),
    total_amount     NUMERIC(24, 2) NOT NULL CONSTRAINT orders_total_positive CHECK (total_amount > 0),
    version          BIGINT NOT NULL DEFAULT 1,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    updated_at       TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp()
);

-- One index for each way a list is asked for, each ending in the key the pages are cut by.
CREATE INDEX orders_by_status ON orders.orders (status, id DESC);
CREATE INDEX orders_by_customer ON orders.orders (lower(customer_email), id DESC);
CREATE INDEX orders_by_created_at ON orders.orders (created_at);

CREATE TRIGGER orders_touch BEFORE UPDATE ON orders.orders
    FOR EACH ROW EXECUTE FUNCTION orders.touch_row();

-- Name and price are copies: what the customer bought, whatever becomes of the product.
CREATE TABLE orders.order_items (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id     BIGINT NOT NULL REFERENCES orders.orders (id),
    product_id   BIGINT NOT NULL,
    product_name TEXT NOT NULL,
    quantity     INTEGER NOT NULL CONSTRAINT order_items_quantity_positive CHECK (quantity > 0),
    price        NUMERIC(12, 2) NOT NULL CONSTRAINT order_items_price_positive CHECK (price > 0),
    subtotal     NUMERIC(24, 2) NOT NULL CONSTRAINT order_items_subtotal CHECK (subtotal = price * quantity),
    CONSTRAINT order_items_product_once UNIQUE (order_id, product_id)
);

-- The timeline, append-only: one row for each status an order came to.
CREATE TABLE orders.order_status_history (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id BIGINT NOT NULL REFERENCES orders.orders (id),
    status   TEXT NOT NULL CONSTRAINT order_status_history_status
             CHECK (status IN ('PENDING', 'CONFIRMED', 'SHIPPED', 'DELIVERED', 'CANCELLED')),
    actor    TEXT NOT NULL,
    reason   TEXT,
    at       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX order_status_history_of_order ON orders.order_status_history (order_id, id);

CREATE FUNCTION orders.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER order_status_history_append_only BEFORE UPDATE OR DELETE ON orders.order_status_history
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

CREATE VIEW orders.order_summary AS
SELECT o.id, o.reference, o.customer_email, o.status, o.total_amount, o.created_at,
       COUNT(i.id) AS lines, COALESCE(SUM(i.quantity), 0) AS pieces
FROM orders.orders o
LEFT JOIN orders.order_items i ON i.order_id = o.id
GROUP BY o.id;

-- Empty as long as every order's total is the sum of its lines.
CREATE VIEW orders.total_breaches AS
SELECT o.id AS order_id, o.total_amount, COALESCE(SUM(i.subtotal), 0) AS items_amount
FROM orders.orders o
LEFT JOIN orders.order_items i ON i.order_id = o.id
GROUP BY o.id
HAVING o.total_amount <> COALESCE(SUM(i.subtotal), 0);
