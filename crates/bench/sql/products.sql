-- The products of every scenario: 1 to 1000 with more stock than any run sells, 1001 with none.
-- Each with the receipt that explains its stock.
WITH created AS (
    INSERT INTO inventory.products (sku, name, description, price, stock_quantity)
    SELECT format('BENCH-%s', to_char(n, 'FM0000')), format('Thing number %s', n), 'Made for the benchmark',
           5 + (n * 37 % 5000) / 100.0, CASE WHEN n <= 1000 THEN 1000000000 ELSE 0 END
    FROM generate_series(1, 1001) AS n
    ORDER BY n
    RETURNING id, stock_quantity
)
INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
SELECT id, stock_quantity, 'RECEIPT', 'benchmark', stock_quantity FROM created WHERE stock_quantity > 0 ORDER BY id;
