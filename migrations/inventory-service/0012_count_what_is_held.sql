-- no-transaction
DO $$
-- Counts what was HELD before reservations were counted, some hundred at a time, each time in a transaction of its own.
-- Locks reservations and then products, each in the order of their ids, like the services.
DECLARE
    chunk UUID[];
    last  UUID := NULL;
BEGIN
    LOOP
        chunk := ARRAY(
            SELECT id FROM inventory.reservations
            WHERE status = 'HELD' AND reserved IS NULL AND (last IS NULL OR id > last) ORDER BY id LIMIT 500);
        EXIT WHEN cardinality(chunk) = 0;
        last := chunk[cardinality(chunk)];
        -- Some may be committed or released by now.
        chunk := ARRAY(
            SELECT id FROM inventory.reservations
            WHERE id = ANY(chunk) AND status = 'HELD' AND reserved IS NULL ORDER BY id FOR UPDATE);
        PERFORM id FROM inventory.products
        WHERE id IN (SELECT product_id FROM inventory.reservation_items WHERE reservation_id = ANY(chunk))
        ORDER BY id FOR UPDATE;
        UPDATE inventory.products p SET reserved = p.reserved + i.quantity
        FROM (SELECT product_id, sum(quantity) AS quantity FROM inventory.reservation_items
              WHERE reservation_id = ANY(chunk) GROUP BY product_id) i
        WHERE p.id = i.product_id;
        UPDATE inventory.reservations SET reserved = TRUE WHERE id = ANY(chunk);
        COMMIT;
    END LOOP;
END
$$;
