-- The audit in partitions, by ranges of numbers: an old range leaves in a moment, and the chain goes on from its last entry. How
-- it works: docs/months.md. What there was becomes the first partition, as it is: nothing is copied.
--
-- `schema_floor` stays: builds before this one write and read entries by the same names.

-- The partitions, by numbers of entries. `over_since` is when an entry beyond it was seen first, `archived_at` when it left the
-- table, and `last_hash` what its last entry had then: the chain in the table begins there.
CREATE TABLE accounts.audit_ranges (
    partition   TEXT NOT NULL CONSTRAINT audit_ranges_partition_unique UNIQUE,
    first_id    BIGINT NOT NULL,
    end_id      BIGINT PRIMARY KEY CONSTRAINT audit_ranges_end_after_they_begin CHECK (end_id > first_id),
    over_since  TIMESTAMPTZ,
    archived_at TIMESTAMPTZ,
    last_hash   BYTEA,
    CONSTRAINT audit_ranges_archived_have_last_hash CHECK ((archived_at IS NULL) = (last_hash IS NULL))
);

-- Partitions that have left their table.
CREATE SCHEMA IF NOT EXISTS accounts_archive;

SELECT accounts.patiently('accounts.audit', 'LOCK TABLE accounts.audit IN ACCESS EXCLUSIVE MODE');

-- The table of old leaves its names.
ALTER TABLE accounts.audit RENAME TO audit_before_months;
ALTER INDEX accounts.audit_pkey RENAME TO audit_before_months_pkey;
ALTER INDEX accounts.audit_by_user RENAME TO audit_before_months_by_user;
DROP TRIGGER audit_chained ON accounts.audit_before_months;

CREATE TABLE accounts.audit (
    LIKE accounts.audit_before_months INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
ALTER TABLE accounts.audit DROP CONSTRAINT audit_first_range;

-- Its argument has followed the table of old. Builds before this one compute the chain by it, too.
DROP FUNCTION accounts.audit_hash(accounts.audit_before_months);
CREATE FUNCTION accounts.audit_hash(entry accounts.audit) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(entry.previous || convert_to(jsonb_build_array(entry.id, extract(epoch FROM entry.at), entry.actor,
        entry.action, entry.user_id, entry.detail)::text, 'UTF8'))
$$;

-- The last entry: of the table, or else of the archive. Before the first one, what that follows. It is not looked for in ranges
-- that are over: to open each of many takes longer than to write an entry, and others wait.
CREATE FUNCTION accounts.last_audit(OUT id BIGINT, OUT hash BYTEA) LANGUAGE plpgsql AS $$
DECLARE
    over BIGINT := COALESCE((SELECT max(r.end_id) FROM accounts.audit_ranges r WHERE r.over_since IS NOT NULL), 0);
BEGIN
    SELECT a.id, a.hash INTO id, hash FROM accounts.audit a WHERE a.id >= over ORDER BY a.id DESC LIMIT 1;
    IF NOT FOUND THEN
        SELECT r.end_id - 1, r.last_hash INTO id, hash FROM accounts.audit_ranges r
        WHERE r.archived_at IS NOT NULL ORDER BY r.end_id DESC LIMIT 1;
    END IF;
    id := COALESCE(id, 0);
    hash := COALESCE(hash, '');
END
$$;

-- The number of the next entry, for the transaction that writes it: others wait until it has ended. A trigger cannot give the
-- number any more, because the partition is chosen before.
CREATE FUNCTION accounts.next_audit_id() RETURNS BIGINT LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('accounts.audit'));
    RETURN (SELECT id + 1 FROM accounts.last_audit());
END
$$;

-- Entries follow each other without a gap. An entry may bring its number, but it can only be the next.
CREATE OR REPLACE FUNCTION accounts.chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last RECORD;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('accounts.audit'));
    SELECT * INTO last FROM accounts.last_audit();
    IF NEW.id IS DISTINCT FROM last.id + 1 THEN
        RAISE EXCEPTION 'the next entry of the audit is %, not %', last.id + 1, NEW.id;
    END IF;
    NEW.previous := last.hash;
    NEW.hash := accounts.audit_hash(NEW);
    RETURN NEW;
END
$$;

ALTER TABLE accounts.audit ALTER COLUMN id SET DEFAULT accounts.next_audit_id();

-- What is of no range. Nothing comes here as long as partitions are added ahead; otherwise no entry is refused. It has an end, if
-- only that of all numbers: partitions with a default one among them are in no order, so each would be asked for the last entry.
CREATE TABLE accounts.audit_beyond (LIKE accounts.audit INCLUDING DEFAULTS INCLUDING CONSTRAINTS);

-- The bound of 0018_first_bound.sql, as it was written down there.
DO $$
DECLARE
    bound BIGINT;
BEGIN
    SELECT (regexp_match(pg_get_constraintdef(oid), '< ''?([0-9]+)'))[1] INTO STRICT bound
    FROM pg_constraint WHERE conname = 'audit_first_range' AND connamespace = 'accounts'::regnamespace;
    EXECUTE format('ALTER TABLE accounts.audit ATTACH PARTITION accounts.audit_before_months
                    FOR VALUES FROM (MINVALUE) TO (%s)', bound);
    EXECUTE format('ALTER TABLE accounts.audit ATTACH PARTITION accounts.audit_beyond
                    FOR VALUES FROM (%s) TO (MAXVALUE)', bound);
    INSERT INTO accounts.audit_ranges (partition, first_id, end_id) VALUES ('audit_before_months', 1, bound);
END
$$;

-- That of the first partition is found and taken as it is.
CREATE INDEX audit_by_user ON accounts.audit (user_id, id DESC);

CREATE TRIGGER audit_chained BEFORE INSERT ON accounts.audit
    FOR EACH ROW EXECUTE FUNCTION accounts.chain_audit();

-- Each partition has this for itself, also in the archive. The first one has it from before.
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts.audit
    FOR EACH STATEMENT EXECUTE FUNCTION accounts.refuse_change();
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts.audit_beyond
    FOR EACH STATEMENT EXECUTE FUNCTION accounts.refuse_change();
