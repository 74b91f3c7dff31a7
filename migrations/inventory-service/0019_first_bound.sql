-- What there is of movements becomes the first partition of the table in 0021_movement_ranges.sql. Here its bound is written down,
-- which holds nobody up. 0020_validate_constraint.sql looks at the rows.

-- Carries out a statement that has a table for itself. Whoever is in its way is waited for no longer than milliseconds, because
-- others wait behind it; then it is tried again. But for autovacuum, which gives way only to those who wait for a second: behind
-- the first lock nobody waits who reads or writes.
CREATE FUNCTION inventory.patiently(tables TEXT, statement TEXT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', tables);
    SET LOCAL lock_timeout = '50ms';
    LOOP
        BEGIN
            EXECUTE statement;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.1 + random() / 5);
        END;
    END LOOP;
    SET LOCAL lock_timeout = 0;
END
$$;

-- The bound is that of the rows to come while this goes on: for each movement that there is another one, at least one bucket of
-- 262,144 numbers and at the most sixteen.
DO $$
DECLARE
    last_id BIGINT;
    margin  BIGINT;
    end_id  BIGINT;
BEGIN
    PERFORM inventory.patiently('inventory.stock_movements', 'LOCK TABLE inventory.stock_movements IN ACCESS EXCLUSIVE MODE');
    last_id := COALESCE(pg_sequence_last_value(pg_get_serial_sequence('inventory.stock_movements', 'id')::regclass), 0);
    margin := LEAST(GREATEST(last_id, 262144), 16 * 262144);
    end_id := ((last_id + margin - 1) / 262144 + 1) * 262144;
    EXECUTE format('ALTER TABLE inventory.stock_movements
                    ADD CONSTRAINT stock_movements_first_range CHECK (id < %s) NOT VALID', end_id);
END
$$;
