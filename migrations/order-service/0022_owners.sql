-- Whose an order is: the customer who placed it with a token. Guests and operators place orders that are nobody's. Never the
-- e-mail address: whoever registers with it later would see them.
ALTER TABLE orders.orders ADD COLUMN IF NOT EXISTS customer_id UUID;

-- While this is built, orders can be read and not written. With many millions of orders, add the column by hand (ADD COLUMN
-- IF NOT EXISTS) and build it CONCURRENTLY before the update. Orders that are nobody's have no entry.
-- `list` in order-service/src/orders/store.rs.
CREATE INDEX IF NOT EXISTS orders_by_owner ON orders.orders (orders.bucket(id), customer_id, id DESC)
    WHERE customer_id IS NOT NULL;
