-- Orders, their lines and their timelines in partitions: an old month leaves in a moment, and what is written and read every day
-- stays as small as a few months are. How it works: docs/months.md.
--
-- Orders are cut by their reference, which must be unique: a unique constraint over partitions has to contain what they are cut
-- by. A reference begins with its time, so a month is a range of references. Lines and timelines are cut by the number of their
-- order, with which their keys begin. What there was becomes the first partition of each table, as it is: nothing is copied.
--
-- `schema_floor` stays: builds before this one find everything by the same names.

-- Partitions of `parent`, which is cut into months by a UUIDv7: from `first_key` on and before `end_key`. `archived_at` is when one
-- left the table, and `last_id` the highest number in it then.
CREATE TABLE orders.months (
    parent      TEXT NOT NULL,
    partition   TEXT NOT NULL CONSTRAINT months_partition_unique UNIQUE,
    first_key   UUID NOT NULL,
    end_key     UUID NOT NULL CONSTRAINT months_end_after_they_begin CHECK (end_key > first_key),
    last_id     BIGINT,
    archived_at TIMESTAMPTZ,
    PRIMARY KEY (parent, end_key)
);

-- The partitions of `order_items` and `order_status_history`, whose names end with `suffix`, by the numbers of orders.
CREATE TABLE orders.order_ranges (
    suffix      TEXT NOT NULL CONSTRAINT order_ranges_suffix_unique UNIQUE,
    first_id    BIGINT NOT NULL,
    end_id      BIGINT PRIMARY KEY CONSTRAINT order_ranges_end_after_they_begin CHECK (end_id > first_id),
    archived_at TIMESTAMPTZ
);

-- Partitions that have left their tables.
CREATE SCHEMA IF NOT EXISTS orders_archive;

-- What follows takes milliseconds. Whoever is in its way is waited for no longer than that, because others wait behind it.
DO $$
BEGIN
    SET LOCAL lock_timeout = '50ms';
    LOOP
        BEGIN
            LOCK TABLE orders.orders, orders.order_items, orders.order_status_history IN ACCESS EXCLUSIVE MODE;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.1 + random() / 5);
        END;
    END LOOP;
    SET LOCAL lock_timeout = 0;
END
$$;

-- They would go on looking at what is the first partition from now on.
DROP VIEW orders.order_summary, orders.total_breaches, orders.buckets;

-- The tables of old leave their names.
ALTER TABLE orders.orders RENAME TO orders_before_months;
ALTER INDEX orders.orders_pkey RENAME TO orders_before_months_pkey;
ALTER INDEX orders.orders_reference_unique RENAME TO orders_before_months_reference_unique;
ALTER INDEX orders.orders_by_status RENAME TO orders_before_months_by_status;
ALTER INDEX orders.orders_by_created_at RENAME TO orders_before_months_by_created_at;
ALTER INDEX orders.orders_by_customer_key RENAME TO orders_before_months_by_customer_key;
ALTER INDEX orders.orders_by_owner RENAME TO orders_before_months_by_owner;
ALTER INDEX orders.orders_by_payment_status RENAME TO orders_before_months_by_payment_status;
ALTER INDEX orders.orders_by_both_statuses RENAME TO orders_before_months_by_both_statuses;
ALTER INDEX orders.orders_unkeyed RENAME TO orders_before_months_unkeyed;
ALTER TABLE orders.order_items RENAME TO order_items_before_months;
ALTER INDEX orders.order_items_product_once RENAME TO order_items_before_months_product_once;
ALTER TABLE orders.order_status_history RENAME TO order_status_history_before_months;
ALTER INDEX orders.order_status_history_pkey RENAME TO order_status_history_before_months_pkey;
DROP TRIGGER orders_touch ON orders.orders_before_months;
DROP TRIGGER orders_stay ON orders.orders_before_months;
DROP TRIGGER order_status_history_append_only ON orders.order_status_history_before_months;

-- A number of an order is unique in its partition by a key, and over all of them because one sequence gives it.
CREATE TABLE orders.orders (
    LIKE orders.orders_before_months INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    CONSTRAINT orders_reference_unique UNIQUE (reference)
) PARTITION BY RANGE (reference);
ALTER TABLE orders.orders DROP CONSTRAINT orders_first_months;

CREATE TABLE orders.order_items (
    LIKE orders.order_items_before_months INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    CONSTRAINT order_items_product_once PRIMARY KEY (order_id, product_id)
) PARTITION BY RANGE (order_id);
ALTER TABLE orders.order_items DROP CONSTRAINT order_items_first_range;

CREATE TABLE orders.order_status_history (
    LIKE orders.order_status_history_before_months INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (order_id, id)
) PARTITION BY RANGE (order_id);
ALTER TABLE orders.order_status_history DROP CONSTRAINT order_status_history_first_range;

-- The numbers go on.
DO $$
DECLARE
    name TEXT;
    next BIGINT;
BEGIN
    FOREACH name IN ARRAY ARRAY['orders', 'order_items', 'order_status_history'] LOOP
        next := nextval(pg_get_serial_sequence(format('orders.%I', name || '_before_months'), 'id'));
        EXECUTE format('ALTER TABLE orders.%I ALTER COLUMN id DROP IDENTITY', name || '_before_months');
        EXECUTE format('ALTER TABLE orders.%I ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (START WITH %s)', name, next);
        -- So that the sequence knows that numbers were given out, which `orders.buckets` asks.
        IF next > 1 THEN
            PERFORM setval(format('orders.%I', name || '_id_seq'), next - 1);
        END IF;
    END LOOP;
END
$$;

-- What is of no month and no range. Nothing comes here as long as partitions are added ahead; otherwise no order is refused.
CREATE TABLE orders.orders_beyond (
    LIKE orders.orders_before_months INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    CONSTRAINT orders_beyond_pkey PRIMARY KEY (id)
);
ALTER TABLE orders.orders_beyond DROP CONSTRAINT orders_first_months;
CREATE TABLE orders.order_items_beyond (LIKE orders.order_items INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
CREATE TABLE orders.order_status_history_beyond (LIKE orders.order_status_history INCLUDING DEFAULTS INCLUDING CONSTRAINTS);

-- The bounds of 0037_first_bounds.sql, as they were written down there.
DO $$
DECLARE
    bound_of CONSTANT TEXT := $q$SELECT (regexp_match(pg_get_constraintdef(oid), '< ''?([0-9a-f-]+)'))[1]
                                 FROM pg_constraint WHERE conname = $1 AND connamespace = 'orders'::regnamespace$q$;
    end_reference UUID;
    end_id        BIGINT;
BEGIN
    EXECUTE bound_of INTO STRICT end_reference USING 'orders_first_months';
    EXECUTE bound_of INTO STRICT end_id USING 'order_items_first_range';
    -- References that builds before 0.9.0 derived from keys lie anywhere.
    INSERT INTO orders.orders_beyond SELECT * FROM orders.orders_before_months WHERE reference >= end_reference;
    DELETE FROM orders.orders_before_months WHERE reference >= end_reference;
    EXECUTE format('ALTER TABLE orders.orders ATTACH PARTITION orders.orders_before_months
                    FOR VALUES FROM (MINVALUE) TO (%L)', end_reference);
    EXECUTE format('ALTER TABLE orders.order_items ATTACH PARTITION orders.order_items_before_months
                    FOR VALUES FROM (MINVALUE) TO (%s)', end_id);
    EXECUTE format('ALTER TABLE orders.order_status_history ATTACH PARTITION orders.order_status_history_before_months
                    FOR VALUES FROM (MINVALUE) TO (%s)', end_id);
    INSERT INTO orders.months (parent, partition, first_key, end_key)
    VALUES ('orders', 'orders_before_months', '00000000-0000-0000-0000-000000000000', end_reference);
    INSERT INTO orders.order_ranges (suffix, first_id, end_id) VALUES ('before_months', 0, end_id);
END
$$;
ALTER TABLE orders.orders ATTACH PARTITION orders.orders_beyond DEFAULT;
ALTER TABLE orders.order_items ATTACH PARTITION orders.order_items_beyond DEFAULT;
ALTER TABLE orders.order_status_history ATTACH PARTITION orders.order_status_history_beyond DEFAULT;

-- Those of the first partition are found and taken as they are.
CREATE INDEX orders_by_status ON orders.orders (status, id DESC);
CREATE INDEX orders_by_created_at ON orders.orders (created_at);
CREATE INDEX orders_by_customer_key ON orders.orders (
    orders.bucket(id), COALESCE(customer_key, lower(customer_email COLLATE "C")), id DESC);
CREATE INDEX orders_by_owner ON orders.orders (orders.bucket(id), customer_id, id DESC) WHERE customer_id IS NOT NULL;
CREATE INDEX orders_by_payment_status ON orders.orders (payment_status, id DESC) WHERE payment_status IS NOT NULL;
CREATE INDEX orders_by_both_statuses ON orders.orders (payment_status, status, id DESC) WHERE payment_status IS NOT NULL;
CREATE INDEX orders_unkeyed ON orders.orders (customer_email)
    WHERE customer_key IS NULL AND octet_length(customer_email) <> char_length(customer_email);

CREATE TRIGGER orders_touch BEFORE UPDATE ON orders.orders
    FOR EACH ROW WHEN (NEW.version = OLD.version) EXECUTE FUNCTION orders.touch_row();
CREATE TRIGGER orders_stay BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON orders.orders
    FOR EACH STATEMENT EXECUTE FUNCTION orders.refuse_removal();
CREATE TRIGGER order_status_history_append_only BEFORE UPDATE OR DELETE ON orders.order_status_history
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

CREATE VIEW orders.order_summary AS
SELECT o.id, o.reference, o.customer_email, o.status, o.total_amount, o.created_at,
       COUNT(i.order_id) AS lines, COALESCE(SUM(i.quantity), 0) AS pieces
FROM orders.orders o
LEFT JOIN orders.order_items i ON i.order_id = o.id
GROUP BY o.id, o.reference, o.customer_email, o.status, o.total_amount, o.created_at;

-- Empty as long as every order's total is the sum of its lines, and all of it is there or none.
CREATE VIEW orders.total_breaches AS
SELECT o.id AS order_id, o.total_amount, COALESCE(SUM(i.subtotal), 0) AS items_amount
FROM orders.orders o
LEFT JOIN orders.order_items i ON i.order_id = o.id
GROUP BY o.id, o.total_amount
HAVING o.total_amount <> COALESCE(SUM(i.subtotal), 0)
    OR COUNT(i.subtotal) <> CASE WHEN o.total_amount IS NULL THEN 0 ELSE COUNT(i.order_id) END;

-- All buckets, also those without an order; why there are buckets: 0010_customers_by_bucket.sql. Whoever reads the highest number
-- from the partitions of an empty table goes on to sort all numbers once it is full, so the sequence is asked.
CREATE VIEW orders.buckets AS
SELECT generate_series(0, orders.bucket(pg_sequence_last_value('orders.orders_id_seq'))) AS bucket;
