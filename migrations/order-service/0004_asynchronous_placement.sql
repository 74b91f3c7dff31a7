-- Asynchronous placement: an order can be accepted before its stock is held. Until it is placed it has no total, and
-- its lines have neither names nor prices.

-- What is on its way or further has its stock, whatever the code does.
ALTER TABLE orders.orders
    ALTER COLUMN total_amount DROP NOT NULL,
    ADD CONSTRAINT orders_placed_before_confirmed CHECK (total_amount IS NOT NULL OR status IN ('PENDING', 'CANCELLED'));

ALTER TABLE orders.order_items
    ALTER COLUMN product_name DROP NOT NULL,
    ALTER COLUMN price DROP NOT NULL,
    ALTER COLUMN subtotal DROP NOT NULL,
    ADD CONSTRAINT order_items_priced_as_a_whole CHECK (num_nonnulls(product_name, price, subtotal) IN (0, 3));

-- The queue of what is accepted and neither placed nor cancelled. Whoever works on a row moves `next_attempt_at` on
-- first: should he die, the row is due again by itself.
CREATE TABLE orders.pending_placements (
    order_id        BIGINT PRIMARY KEY REFERENCES orders.orders (id),
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    give_up_at      TIMESTAMPTZ NOT NULL,
    traceparent     TEXT
);

CREATE INDEX pending_placements_next_attempt_at ON orders.pending_placements (next_attempt_at);

-- Empty as long as every order's total is the sum of its lines, and all of it is there or none.
CREATE OR REPLACE VIEW orders.total_breaches AS
SELECT o.id AS order_id, o.total_amount, COALESCE(SUM(i.subtotal), 0) AS items_amount
FROM orders.orders o
LEFT JOIN orders.order_items i ON i.order_id = o.id
GROUP BY o.id
HAVING o.total_amount <> COALESCE(SUM(i.subtotal), 0)
    OR COUNT(i.subtotal) <> CASE WHEN o.total_amount IS NULL THEN 0 ELSE COUNT(i.id) END;
