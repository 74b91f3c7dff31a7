-- What there is of the audit becomes its first partition in 0020_audit_ranges.sql. Here its bound is written down, which holds
-- nobody up. 0019_validate_constraint.sql looks at the entries.

-- The bound leaves room for the entries to come while this goes on: for each that there is another one, at least one bucket of
-- 262,144 and at the most sixteen.
DO $$
DECLARE
    last_id BIGINT := COALESCE((SELECT max(id) FROM accounts.audit), 0);
    margin  BIGINT := LEAST(GREATEST(last_id, 262144), 16 * 262144);
    end_id  BIGINT := ((last_id + margin - 1) / 262144 + 1) * 262144;
BEGIN
    EXECUTE format('ALTER TABLE accounts.audit ADD CONSTRAINT audit_first_range CHECK (id < %s) NOT VALID', end_id);
END
$$;
