-- While these are built, orders can be read and not written. With many millions of orders, add the column of
-- 0018_customer_keys.sql by hand (ADD COLUMN IF NOT EXISTS) and build them CONCURRENTLY before the update.

-- `list` and `ids_of_customer` in order-service/src/orders/store.rs.
CREATE INDEX IF NOT EXISTS orders_by_customer_key ON orders.orders (
    orders.bucket(id), COALESCE(customer_key, lower(customer_email COLLATE "C")), id DESC);
DROP INDEX orders.orders_by_customer;

-- `unkeyed` in order-service/src/orders/store/customer_keys.rs.
CREATE INDEX IF NOT EXISTS orders_unkeyed ON orders.orders (customer_email)
    WHERE customer_key IS NULL AND octet_length(customer_email) <> char_length(customer_email);

-- The highest number by a plan that reads one row, also where it was made while the table was empty.
CREATE OR REPLACE VIEW orders.buckets AS
SELECT generate_series(0, (SELECT orders.bucket(id) FROM orders.orders ORDER BY id DESC LIMIT 1)) AS bucket;
