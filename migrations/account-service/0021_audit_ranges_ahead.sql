-- What the job of account-service does to partitions of the audit: account-service/src/audit/store/ranges.rs. Each call stands in
-- a transaction of its own with a time limit, because others wait behind it.

-- Adds one range of so many numbers; gives its name. What came to the partition beyond meanwhile is moved.
CREATE FUNCTION accounts.add_audit_range(size BIGINT) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
    first BIGINT;
    next  BIGINT;
    name  TEXT;
BEGIN
    -- Or else who has planned without the new partition would miss what is moved into it.
    LOCK TABLE ONLY accounts.audit IN ACCESS EXCLUSIVE MODE;
    first := (SELECT max(end_id) FROM accounts.audit_ranges);
    next := first + size;
    name := format('audit_from_%s', first);
    ALTER TABLE accounts.audit DETACH PARTITION accounts.audit_beyond;
    EXECUTE format('CREATE TABLE accounts.%I (LIKE accounts.audit INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    -- What is there may not be deleted, only moved.
    ALTER TABLE accounts.audit_beyond DISABLE TRIGGER audit_stays;
    EXECUTE format('WITH moved AS (DELETE FROM accounts.audit_beyond WHERE id < %s RETURNING *)
                    INSERT INTO accounts.%I SELECT * FROM moved', next, name);
    ALTER TABLE accounts.audit_beyond ENABLE TRIGGER audit_stays;
    EXECUTE format('CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts.%I
                    FOR EACH STATEMENT EXECUTE FUNCTION accounts.refuse_change()', name);
    EXECUTE format('ALTER TABLE accounts.audit ATTACH PARTITION accounts.%I FOR VALUES FROM (%s) TO (%s)', name, first, next);
    EXECUTE format('ALTER TABLE accounts.audit ATTACH PARTITION accounts.audit_beyond FOR VALUES FROM (%s) TO (MAXVALUE)', next);
    INSERT INTO accounts.audit_ranges (partition, first_id, end_id) VALUES (name, first, next);
    RETURN name;
END
$$;

-- Adds ranges for as many entries as `ahead` months have; gives their names. A range is about a month: as many numbers as the
-- last thirty days took, in whole buckets of 262,144. Notes which ranges are over.
CREATE FUNCTION accounts.add_audit_ranges(ahead INTEGER) RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
DECLARE
    bucket CONSTANT BIGINT := 262144;
    newest BIGINT := (SELECT id FROM accounts.last_audit());
    -- The first entry of thirty days is between these two. There is no index of times, and times follow the numbers.
    low    BIGINT := (SELECT id FROM accounts.audit ORDER BY id LIMIT 1);
    high   BIGINT := newest;
    middle BIGINT;
    size   BIGINT;
BEGIN
    UPDATE accounts.audit_ranges SET over_since = now() WHERE over_since IS NULL AND end_id <= newest;
    WHILE low < high LOOP
        middle := (low + high) / 2;
        IF (SELECT at FROM accounts.audit WHERE id >= middle ORDER BY id LIMIT 1) < now() - INTERVAL '30 days' THEN
            low := middle + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    size := bucket * ((newest - high) / bucket + 1);
    WHILE (SELECT max(end_id) FROM accounts.audit_ranges) <= newest + ahead * size LOOP
        RETURN NEXT accounts.add_audit_range(size);
    END LOOP;
END
$$;

-- The oldest range, if it has been over for `keep` months. With it the number of its last entry, if that is missing: then it has
-- to stay, because the chain goes on from there.
CREATE FUNCTION accounts.audit_to_archive(keep INTEGER, OUT partition TEXT, OUT held_by TEXT) LANGUAGE plpgsql AS $$
DECLARE
    until   TIMESTAMPTZ := date_trunc('month', now(), 'UTC') - make_interval(months => keep);
    last_id BIGINT;
    there   BOOLEAN;
BEGIN
    SELECT r.partition, r.end_id - 1 INTO partition, last_id
    FROM (SELECT * FROM accounts.audit_ranges WHERE archived_at IS NULL ORDER BY end_id LIMIT 1) r WHERE over_since <= until;
    IF partition IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM accounts.%I WHERE id = %s)', partition, last_id) INTO there;
        held_by := CASE WHEN NOT there THEN last_id::text END;
    END IF;
END
$$;

-- Takes a range out of the table, into the schema `accounts_archive`, and notes where the chain goes on. It takes milliseconds
-- once nobody uses the table.
CREATE FUNCTION accounts.archive_audit(archived TEXT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last BYTEA;
BEGIN
    LOCK TABLE ONLY accounts.audit IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('SELECT hash FROM accounts.%I ORDER BY id DESC LIMIT 1', archived) INTO STRICT last;
    EXECUTE format('ALTER TABLE accounts.audit DETACH PARTITION accounts.%I', archived);
    EXECUTE format('ALTER TABLE accounts.%I SET SCHEMA accounts_archive', archived);
    UPDATE accounts.audit_ranges SET archived_at = now(), last_hash = last WHERE partition = archived;
END
$$;

SELECT accounts.patiently('accounts.audit', 'SELECT accounts.add_audit_ranges(3)');
