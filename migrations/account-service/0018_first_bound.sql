-- What there is of the audit becomes its first partition in 0020_audit_ranges.sql. Here its bound is written down, which holds
-- nobody up. 0019_validate_constraint.sql looks at the entries.

-- Carries out a statement that has a table for itself. Whoever is in its way is waited for no longer than milliseconds, because
-- others wait behind it; then it is tried again. But for autovacuum, which gives way only to those who wait for a second: behind
-- the first lock nobody waits who reads or writes.
CREATE FUNCTION accounts.patiently(tables TEXT, statement TEXT) RETURNS void LANGUAGE plpgsql AS $$
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

-- The bound leaves room for the entries to come while this goes on: for each that there is another one, at least one bucket of
-- 262,144 and at the most sixteen.
DO $$
DECLARE
    last_id BIGINT := COALESCE((SELECT max(id) FROM accounts.audit), 0);
    margin  BIGINT := LEAST(GREATEST(last_id, 262144), 16 * 262144);
    end_id  BIGINT := ((last_id + margin - 1) / 262144 + 1) * 262144;
BEGIN
    PERFORM accounts.patiently('accounts.audit', format(
        'ALTER TABLE accounts.audit ADD CONSTRAINT audit_first_range CHECK (id < %s) NOT VALID', end_id));
END
$$;
