-- What there is of notifications becomes their first partition in 0043_months_of_notifications.sql. Here its bound is written
-- down, which holds nobody up: that of the rows to come while this goes on. 0042_validate_constraints.sql looks at the rows.

-- Carries out a statement that has a table for itself. Whoever is in its way is waited for no longer than milliseconds, because
-- others wait behind it; then it is tried again. But for autovacuum, which gives way only to those who wait for a second: behind
-- the first lock nobody waits who reads or writes.
CREATE FUNCTION orders.patiently(tables TEXT, statement TEXT) RETURNS void LANGUAGE plpgsql AS $$
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

SELECT orders.patiently('orders.notifications', format(
    'ALTER TABLE orders.notifications ADD CONSTRAINT notifications_first_months CHECK (event_id < %L) NOT VALID',
    orders.first_reference(date_trunc('month', now(), 'UTC') + INTERVAL '2 months')));
