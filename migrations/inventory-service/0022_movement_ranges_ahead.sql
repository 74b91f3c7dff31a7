-- What the job of inventory-service does to partitions: inventory-service/src/stock/store/ranges.rs. Each call stands in a
-- transaction of its own with a time limit, because others wait behind it.

-- Adds ranges for as many movements as `ahead` months have; gives their names. What came to the partition beyond meanwhile is
-- moved. A range is about a month: as many numbers as the last thirty days took, in whole buckets. It also notes since when
-- ranges are over.
CREATE FUNCTION inventory.add_movement_ranges(ahead INTEGER) RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
DECLARE
    bucket CONSTANT BIGINT := 262144;
    today  CONSTANT DATE := (now() AT TIME ZONE 'UTC')::date;
    newest BIGINT := COALESCE(pg_sequence_last_value('inventory.stock_movements_id_seq'), 0);
    size   BIGINT;
    first  BIGINT := (SELECT max(end_id) FROM inventory.movement_ranges);
    name   TEXT;
BEGIN
    UPDATE inventory.movement_ranges SET over_since = now() WHERE over_since IS NULL AND end_id <= newest + 1;
    IF NOT EXISTS (SELECT FROM inventory.movement_days WHERE day = today) THEN
        INSERT INTO inventory.movement_days (day, last_id) VALUES (today, newest) ON CONFLICT DO NOTHING;
        DELETE FROM inventory.movement_days
        WHERE day < (SELECT max(day) FROM inventory.movement_days WHERE day <= today - 30);
    END IF;
    size := bucket * GREATEST(1, (newest - (SELECT last_id FROM inventory.movement_days ORDER BY day LIMIT 1)) / bucket);
    IF first <= newest + ahead * size THEN
        -- Or else who has planned without the new partition would miss what is moved into it.
        LOCK TABLE ONLY inventory.stock_movements IN ACCESS EXCLUSIVE MODE;
        -- Another instance may have added some meanwhile.
        first := (SELECT max(end_id) FROM inventory.movement_ranges);
    END IF;
    WHILE first <= newest + ahead * size LOOP
        name := format('stock_movements_from_%s', first);
        ALTER TABLE inventory.stock_movements DETACH PARTITION inventory.stock_movements_beyond;
        EXECUTE format('CREATE TABLE inventory.%I (LIKE inventory.stock_movements INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
        -- The trigger against deleting has gone with the table it was of.
        EXECUTE format('WITH moved AS (DELETE FROM inventory.stock_movements_beyond WHERE id < %s RETURNING *)
                        INSERT INTO inventory.%I SELECT * FROM moved', first + size, name);
        EXECUTE format('ALTER TABLE inventory.stock_movements ATTACH PARTITION inventory.%I FOR VALUES FROM (%s) TO (%s)',
                       name, first, first + size);
        EXECUTE format('ALTER TABLE inventory.stock_movements ATTACH PARTITION inventory.stock_movements_beyond
                        FOR VALUES FROM (%s) TO (MAXVALUE)', first + size);
        INSERT INTO inventory.movement_ranges (partition, first_id, end_id) VALUES (name, first, first + size);
        RETURN NEXT name;
        first := first + size;
    END LOOP;
END
$$;

-- The oldest range of movements that has been over for `keep` months, if there is one. Nothing holds it.
CREATE FUNCTION inventory.movements_to_archive(keep INTEGER, OUT partition TEXT, OUT held_by TEXT) LANGUAGE plpgsql AS $$
BEGIN
    SELECT r.partition INTO partition FROM inventory.movement_ranges r
    WHERE archived_at IS NULL AND over_since < date_trunc('month', now(), 'UTC') - make_interval(months => keep)
    ORDER BY end_id LIMIT 1;
END
$$;

-- Takes a range out of the table, into the schema `inventory_archive`. The balances after it become opening balances before that:
-- they are looked up product by product, while others go on. What waits for everybody else takes milliseconds.
CREATE FUNCTION inventory.archive_movements(archived TEXT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Nobody writes to it any more.
    EXECUTE format('LOCK TABLE inventory.%I IN SHARE ROW EXCLUSIVE MODE', archived);
    EXECUTE format($q$
        INSERT INTO inventory.opening_balances AS b (product_id, balance, last_id)
        SELECT p.id, m.balance_after, m.id
        FROM inventory.products p
        CROSS JOIN LATERAL (SELECT id, balance_after FROM inventory.%I WHERE product_id = p.id ORDER BY id DESC LIMIT 1) m
        ON CONFLICT (product_id) DO UPDATE SET balance = EXCLUDED.balance, last_id = EXCLUDED.last_id
        WHERE b.last_id < EXCLUDED.last_id$q$, archived);
    LOCK TABLE ONLY inventory.stock_movements IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('ALTER TABLE inventory.stock_movements DETACH PARTITION inventory.%I', archived);
    EXECUTE format('ALTER TABLE inventory.%I SET SCHEMA inventory_archive', archived);
    UPDATE inventory.movement_ranges SET archived_at = now() WHERE partition = archived;
END
$$;

SELECT inventory.patiently('inventory.stock_movements', 'SELECT inventory.add_movement_ranges(3)');
