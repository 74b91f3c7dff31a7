-- no-transaction
DO $$
-- Completes the rows of earlier builds that wait to be sent, that failed and may be sent again, and the newest hundred
-- thousand, whatever became of them. Older ones are completed when somebody sends them again. Some thousand rows at a
-- time, each time in a transaction of its own: instances of the build before go on meanwhile.
DECLARE
    newest BIGINT := (SELECT max(id) FROM orders.notifications);
    last   BIGINT;
    chunk  BIGINT[];
    wanted TEXT;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['QUEUED', 'FAILED'] LOOP
        last := 0;
        LOOP
            chunk := ARRAY(
                SELECT id FROM orders.notifications
                WHERE status = wanted AND id > last AND data IS NULL AND erased_at IS NULL
                ORDER BY id LIMIT 5000);
            EXIT WHEN cardinality(chunk) = 0;
            UPDATE orders.notifications SET version = version WHERE id = ANY(chunk);
            COMMIT;
            last := chunk[cardinality(chunk)];
        END LOOP;
    END LOOP;
    last := newest - 100000;
    LOOP
        chunk := ARRAY(
            SELECT id FROM orders.notifications
            WHERE id > last AND data IS NULL AND erased_at IS NULL ORDER BY id LIMIT 5000);
        EXIT WHEN cardinality(chunk) = 0;
        UPDATE orders.notifications SET version = version WHERE id = ANY(chunk);
        COMMIT;
        last := chunk[cardinality(chunk)];
    END LOOP;
END
$$;
