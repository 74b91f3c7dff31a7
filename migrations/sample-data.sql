-- Five products to try things out with, each with the receipt that explains its stock.
-- Loaded by inventory-service when LOAD_SAMPLE_DATA=true, and only where there has never been a product.

WITH sample (sku, name, description, price, stock, threshold) AS (
    VALUES ('LAPTOP-001', 'Laptop Pro 15', '15 inch laptop with 32 GB of memory', 2499.99, 50, 5),
           ('MOUSE-001', 'Wireless Mouse', 'Silent two-button mouse', 29.99, 200, 20),
           ('KEYBOARD-001', 'Mechanical Keyboard', 'Full-size keyboard with brown switches', 149.99, 75, 10),
           ('MONITOR-001', 'Monitor 27 4K', '27 inch monitor, 3840 by 2160', 599.90, 30, 5),
           ('HEADSET-001', 'Noise Cancelling Headset', 'Over-ear headset with a microphone', 199.00, 8, 10)
), created AS (
    INSERT INTO inventory.products (sku, name, description, price, stock_quantity, low_stock_threshold)
    SELECT sku, name, description, price, stock, threshold FROM sample
    WHERE NOT EXISTS (SELECT FROM inventory.products)
    RETURNING id, stock_quantity
)
INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
SELECT id, stock_quantity, 'RECEIPT', 'sample data', stock_quantity FROM created;
