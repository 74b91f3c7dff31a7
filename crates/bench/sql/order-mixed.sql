-- One order of two lines in two plain transactions, row by row: what a service without batches would do.
-- Placeholders are pgbench's; no colon inside of a text may stand before a letter or digit.
\set one random(1, 1000)
\set other (:one + random(0, 998)) % 1000 + 1
\set product_a least(:one, :other)
\set product_b greatest(:one, :other)
\set quantity_a random(1, 3)
\set quantity_b random(1, 3)
\set customer random(1, 100000)

-- Inventory.
BEGIN;
SELECT id, sku, name, price, stock_quantity FROM inventory.products
WHERE id IN (:product_a, :product_b) ORDER BY id FOR UPDATE;
UPDATE inventory.products SET stock_quantity = stock_quantity - :quantity_a, reserved = reserved + :quantity_a
WHERE id = :product_a
RETURNING sku AS sku_a, name AS name_a, price AS price_a, stock_quantity AS balance_a \gset
UPDATE inventory.products SET stock_quantity = stock_quantity - :quantity_b, reserved = reserved + :quantity_b
WHERE id = :product_b
RETURNING sku AS sku_b, name AS name_b, price AS price_b, stock_quantity AS balance_b \gset
-- The reference is ordered by time, as a UUIDv7 is, so that its index grows at one end.
INSERT INTO inventory.reservations (id, status, expires_at, reserved)
VALUES (encode(substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
               || substring(uuid_send(gen_random_uuid()) FROM 7), 'hex')::uuid,
        'HELD', clock_timestamp() + INTERVAL '45 seconds', TRUE)
RETURNING id AS reference \gset
INSERT INTO inventory.reservation_items (reservation_id, product_id, sku, name, quantity, unit_price)
VALUES (:reference, :product_a, :sku_a, :name_a, :quantity_a, :price_a);
INSERT INTO inventory.reservation_items (reservation_id, product_id, sku, name, quantity, unit_price)
VALUES (:reference, :product_b, :sku_b, :name_b, :quantity_b, :price_b);
INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
VALUES (:product_a, - CAST(:quantity_a AS integer), 'SALE', :reference, :balance_a);
INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
VALUES (:product_b, - CAST(:quantity_b AS integer), 'SALE', :reference, :balance_b);
COMMIT;

-- Orders.
BEGIN;
INSERT INTO orders.orders (reference, customer_name, customer_email, customer_phone, shipping_address, status,
                           total_amount)
VALUES (:reference, 'Ada Lovelace', 'customer' || CAST(:customer AS text) || '@example.com', '+44 20 7946 0000',
        '12 St James''s Square, London', 'PENDING',
        CAST(:price_a AS numeric) * CAST(:quantity_a AS integer)
            + CAST(:price_b AS numeric) * CAST(:quantity_b AS integer))
RETURNING id AS order_id \gset
INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
VALUES (:order_id, :product_a, :name_a, :quantity_a, :price_a,
        CAST(:price_a AS numeric) * CAST(:quantity_a AS integer));
INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
VALUES (:order_id, :product_b, :name_b, :quantity_b, :price_b,
        CAST(:price_b AS numeric) * CAST(:quantity_b AS integer));
INSERT INTO orders.order_status_history (order_id, status, actor) VALUES (:order_id, 'PENDING', 'customer');
INSERT INTO orders.outbox (event_type, body)
VALUES ('order.created', '{"specversion": "1.0", "id": "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a", "source": "/order-service", "type": "order.created", "subject": "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1b", "time": "2026-01-31T12-00-00.123456Z", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "datacontenttype": "application/json", "dataversion": 1, "data": {"orderId": 123456, "reference": "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1b", "customerName": "Ada Lovelace", "customerEmail": "customer123@example.com", "totalAmount": 52.35, "items": [{"productId": 123, "productName": "Thing number 123", "quantity": 2, "price": 17.45}, {"productId": 123, "productName": "Thing number 123", "quantity": 2, "price": 17.45}]}}');
COMMIT;
