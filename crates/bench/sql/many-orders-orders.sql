-- Order-service's part of :orders finished orders; see many-orders-inventory.sql. Names and prices are those that
-- products.sql gives to the products: order-service does not read the tables of inventory-service, nor does this.
SET session_replication_role = replica;
SET synchronous_commit = off;

INSERT INTO orders.orders (reference, customer_name, customer_email, customer_phone, shipping_address, status,
                           total_amount, created_at, updated_at, version)
SELECT :reference, 'Ada Lovelace', format('customer%s@example.com', 1 + n::bigint * 7919 % 100000),
       '+44 20 7946 0000', '12 St James''s Square, London', 'CONFIRMED',
       10 + ((n % 1000 + 1) * 37 % 5000 + ((n + 500) % 1000 + 1) * 37 % 5000) / 100.0, :placed_at, :placed_at, 2
FROM generate_series(1, :orders) AS n;

INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
SELECT n, product_id, format('Thing number %s', product_id), 1, price, price
FROM generate_series(1, :orders) AS n
CROSS JOIN LATERAL (VALUES (n % 1000 + 1), ((n + 500) % 1000 + 1)) AS line (product_id)
CROSS JOIN LATERAL (SELECT 5 + (product_id * 37 % 5000) / 100.0 AS price) AS priced;

INSERT INTO orders.order_status_history (order_id, status, actor, at)
SELECT n, status, actor, :placed_at + later
FROM generate_series(1, :orders) AS n
CROSS JOIN (VALUES ('PENDING', 'customer', INTERVAL '0'), ('CONFIRMED', 'system', INTERVAL '20 ms'))
    AS step (status, actor, later);

INSERT INTO orders.inbox (consumer, event_id)
SELECT 'order-service.reservation-events', :reference FROM generate_series(1, :orders) AS n;
