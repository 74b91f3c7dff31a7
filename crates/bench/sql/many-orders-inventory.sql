-- Inventory's part of :orders finished orders, two lines of one piece each: order n sells product n % 1000 + 1 and the
-- product 500 further on. So each product is sold by every 500th order, which gives every balance without sorting.
-- Triggers stay away, as in a restore: what they would check holds by construction, and is compared afterwards.
SET session_replication_role = replica;
SET synchronous_commit = off;

INSERT INTO inventory.reservations (id, status, created_at, expires_at, updated_at)
SELECT reference, 'COMMITTED', at, at + INTERVAL '45 seconds', at
FROM (SELECT :reference AS reference, :placed_at AS at FROM generate_series(1, :orders) AS n) AS orders;

INSERT INTO inventory.reservation_items (reservation_id, product_id, sku, name, quantity, unit_price)
SELECT :reference, p.id, p.sku, p.name, 1, p.price
FROM generate_series(1, :orders) AS n
CROSS JOIN LATERAL (VALUES (n % 1000 + 1), ((n + 500) % 1000 + 1)) AS line (product_id)
JOIN inventory.products p ON p.id = line.product_id;

INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after, created_at)
SELECT line.product_id, -1, 'SALE', (:reference)::text, 1000000000 - (n - 1) / 500 - 1, :placed_at
FROM generate_series(1, :orders) AS n
CROSS JOIN LATERAL (VALUES (n % 1000 + 1), ((n + 500) % 1000 + 1)) AS line (product_id);

UPDATE inventory.products p SET stock_quantity = moved.stock
FROM (SELECT product_id, sum(delta) AS stock FROM inventory.stock_movements GROUP BY product_id) AS moved
WHERE moved.product_id = p.id;

INSERT INTO inventory.inbox (consumer, event_id)
SELECT 'inventory-service.order-events', :reference FROM generate_series(1, :orders) AS n;
