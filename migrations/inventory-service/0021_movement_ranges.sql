-- Movements in partitions by their numbers: an old range leaves in a moment, and what is written and read every day stays as small
-- as a few ranges are. How it works: docs/months.md. What there was becomes the first partition as it is: nothing is copied.
--
-- `schema_floor` stays: builds before this one find everything by the same names.

-- The partitions of `stock_movements`. `over_since` is when the numbers were first seen to have passed the end of one, and
-- `archived_at` when it left the table.
CREATE TABLE inventory.movement_ranges (
    partition   TEXT NOT NULL CONSTRAINT movement_ranges_partition_unique UNIQUE,
    first_id    BIGINT NOT NULL,
    end_id      BIGINT PRIMARY KEY CONSTRAINT movement_ranges_end_after_they_begin CHECK (end_id > first_id),
    over_since  TIMESTAMPTZ,
    archived_at TIMESTAMPTZ
);

-- The stock that a product had after the last of its movements that are archived, which has the number `last_id`.
CREATE TABLE inventory.opening_balances (
    product_id BIGINT PRIMARY KEY,
    balance    INTEGER NOT NULL,
    last_id    BIGINT NOT NULL
);

-- Partitions that have left their table.
CREATE SCHEMA IF NOT EXISTS inventory_archive;

-- What follows takes milliseconds.
SELECT inventory.patiently('inventory.stock_movements', 'LOCK TABLE inventory.stock_movements IN ACCESS EXCLUSIVE MODE');

-- It would go on looking at what is the first partition from now on.
DROP VIEW inventory.stock_breaches;

-- The table of old leaves its names.
ALTER TABLE inventory.stock_movements RENAME TO stock_movements_before_months;
ALTER INDEX inventory.stock_movements_pkey RENAME TO stock_movements_before_months_pkey;
DROP TRIGGER stock_movements_append_only ON inventory.stock_movements_before_months;

CREATE TABLE inventory.stock_movements (
    LIKE inventory.stock_movements_before_months INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (product_id, id)
) PARTITION BY RANGE (id);
ALTER TABLE inventory.stock_movements DROP CONSTRAINT stock_movements_first_range;

-- The numbers go on.
DO $$
DECLARE
    next BIGINT := nextval(pg_get_serial_sequence('inventory.stock_movements_before_months', 'id'));
BEGIN
    ALTER TABLE inventory.stock_movements_before_months ALTER COLUMN id DROP IDENTITY;
    EXECUTE format('ALTER TABLE inventory.stock_movements ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (START WITH %s)', next);
    -- So that the sequence knows that numbers were given out.
    IF next > 1 THEN
        PERFORM setval('inventory.stock_movements_id_seq', next - 1);
    END IF;
END
$$;

-- What is of no range. Nothing comes here as long as partitions are added ahead; otherwise no movement is refused. It has an end, if
-- only that of all numbers: partitions with a default one among them are in no order, so a list would ask each for its newest.
CREATE TABLE inventory.stock_movements_beyond (LIKE inventory.stock_movements INCLUDING DEFAULTS INCLUDING CONSTRAINTS);

-- The bound of 0019_first_bound.sql, as it was written down there.
DO $$
DECLARE
    end_id BIGINT;
BEGIN
    SELECT (regexp_match(pg_get_constraintdef(oid), '< ''?([0-9]+)'))[1] INTO STRICT end_id FROM pg_constraint
    WHERE conname = 'stock_movements_first_range' AND connamespace = 'inventory'::regnamespace;
    EXECUTE format('ALTER TABLE inventory.stock_movements ATTACH PARTITION inventory.stock_movements_before_months
                    FOR VALUES FROM (MINVALUE) TO (%s)', end_id);
    EXECUTE format('ALTER TABLE inventory.stock_movements ATTACH PARTITION inventory.stock_movements_beyond
                    FOR VALUES FROM (%s) TO (MAXVALUE)', end_id);
    INSERT INTO inventory.movement_ranges (partition, first_id, end_id) VALUES ('stock_movements_before_months', 0, end_id);
END
$$;

CREATE TRIGGER stock_movements_append_only BEFORE UPDATE OR DELETE ON inventory.stock_movements
    FOR EACH ROW EXECUTE FUNCTION inventory.refuse_change();

-- Empty as long as nothing was oversold and every change of stock was written down.
CREATE VIEW inventory.stock_breaches AS
SELECT p.id AS product_id, p.sku, p.stock_quantity, COALESCE(b.balance, 0) + COALESCE(m.moved, 0) AS moved
FROM inventory.products p
LEFT JOIN inventory.opening_balances b ON b.product_id = p.id
LEFT JOIN (SELECT product_id, SUM(delta) AS moved FROM inventory.stock_movements GROUP BY product_id) m
       ON m.product_id = p.id
WHERE p.stock_quantity < 0 OR p.stock_quantity <> COALESCE(b.balance, 0) + COALESCE(m.moved, 0);
