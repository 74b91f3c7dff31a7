-- What the jobs of order-service do to partitions: order-service/src/orders/months.rs. Each call stands in a transaction of its own
-- with a time limit, because others wait behind it.

-- Adds the months up to `ahead` after this one; gives their names. What came to the partition beyond meanwhile is moved.
CREATE FUNCTION orders.add_months(parent TEXT, cut_by TEXT, ahead INTEGER) RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
DECLARE
    until UUID := orders.first_reference(date_trunc('month', now(), 'UTC') + make_interval(months => ahead));
    first UUID := (SELECT end_key FROM orders.months m WHERE m.parent = add_months.parent ORDER BY end_key DESC LIMIT 1);
    month TIMESTAMP;
    next  UUID;
    name  TEXT;
BEGIN
    WHILE first <= until LOOP
        month := date_trunc('month', orders.time_of(first) AT TIME ZONE 'UTC');
        next := orders.first_reference((month + INTERVAL '1 month') AT TIME ZONE 'UTC');
        name := parent || to_char(month, '"_"YYYY_MM');
        -- Or else who has planned without the new partition would miss what is moved into it.
        EXECUTE format('LOCK TABLE ONLY orders.%I IN ACCESS EXCLUSIVE MODE', parent);
        -- The key of the numbers is not one of the whole table, which is cut by something else.
        EXECUTE format('CREATE TABLE orders.%I (
                            LIKE orders.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (id))', name, parent);
        EXECUTE format('WITH moved AS (DELETE FROM orders.%1$I WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING *)
                        INSERT INTO orders.%5$I SELECT * FROM moved', parent || '_beyond', cut_by, first, next, name);
        EXECUTE format('ALTER TABLE orders.%I ATTACH PARTITION orders.%I FOR VALUES FROM (%L) TO (%L)',
                       parent, name, first, next);
        INSERT INTO orders.months (parent, partition, first_key, end_key) VALUES (parent, name, first, next);
        RETURN NEXT name;
        first := next;
    END LOOP;
END
$$;

-- Adds ranges of lines and timelines for as many orders as `ahead` months have; gives their names. A range is about a month: as
-- many numbers as the last thirty days took, in whole buckets (0010_customers_by_bucket.sql).
CREATE FUNCTION orders.add_order_ranges(ahead INTEGER) RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
DECLARE
    bucket CONSTANT BIGINT := 262144;
    newest BIGINT := (SELECT last_value FROM orders.orders_id_seq);
    oldest BIGINT;
    size   BIGINT;
    first  BIGINT := (SELECT max(end_id) FROM orders.order_ranges);
    parent TEXT;
    name   TEXT;
BEGIN
    -- Planned anew each time: a plan from when there were no orders would sort those of thirty days.
    EXECUTE $q$SELECT id FROM orders.orders WHERE created_at >= now() - INTERVAL '30 days'
               ORDER BY created_at LIMIT 1$q$ INTO oldest;
    size := GREATEST(bucket, bucket * orders.bucket(newest - oldest));
    WHILE first <= newest + ahead * size LOOP
        FOREACH parent IN ARRAY ARRAY['order_items', 'order_status_history'] LOOP
            name := format('%s_from_%s', parent, first);
            EXECUTE format('LOCK TABLE ONLY orders.%I IN ACCESS EXCLUSIVE MODE', parent);
            EXECUTE format('CREATE TABLE orders.%I (LIKE orders.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
            -- What is there may not be deleted, only moved.
            EXECUTE format('ALTER TABLE orders.%I DISABLE TRIGGER USER', parent || '_beyond');
            EXECUTE format('WITH moved AS (DELETE FROM orders.%I WHERE order_id >= %s AND order_id < %s RETURNING *)
                            INSERT INTO orders.%I SELECT * FROM moved', parent || '_beyond', first, first + size, name);
            EXECUTE format('ALTER TABLE orders.%I ENABLE TRIGGER USER', parent || '_beyond');
            EXECUTE format('ALTER TABLE orders.%I ATTACH PARTITION orders.%I FOR VALUES FROM (%s) TO (%s)',
                           parent, name, first, first + size);
            RETURN NEXT name;
        END LOOP;
        INSERT INTO orders.order_ranges (suffix, first_id, end_id) VALUES (format('from_%s', first), first, first + size);
        first := first + size;
    END LOOP;
END
$$;

-- The oldest month of orders that has been over for `keep` months, if there is one. With it the number of an order because of
-- which it has to stay: it holds stock, or its payment is not done with.
CREATE FUNCTION orders.month_to_archive(keep INTEGER, OUT partition TEXT, OUT held_by BIGINT) LANGUAGE plpgsql AS $$
DECLARE
    until UUID := orders.first_reference(date_trunc('month', now(), 'UTC') - make_interval(months => keep));
BEGIN
    SELECT m.partition INTO partition FROM orders.months m
    WHERE parent = 'orders' AND archived_at IS NULL AND end_key <= until ORDER BY end_key LIMIT 1;
    IF partition IS NOT NULL THEN
        EXECUTE format($q$
            SELECT id FROM orders.%1$I WHERE status IN ('PENDING', 'PAID', 'CONFIRMED')
            UNION ALL
            SELECT o.id FROM orders.%1$I o JOIN orders.payments p ON p.order_id = o.id
            WHERE p.closed_at IS NULL OR p.status = 'REVIEW' OR p.id IN (SELECT payment_id FROM orders.payments_at_work)
            LIMIT 1$q$, partition) INTO held_by;
    END IF;
END
$$;

-- Takes a month of orders out of the table, into the schema `orders_archive`, and with it the ranges of lines and timelines of
-- which no order is left. It takes milliseconds once nobody uses the tables.
CREATE FUNCTION orders.archive_month(archived TEXT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    highest BIGINT;
    range   RECORD;
    parent  TEXT;
    name    TEXT;
BEGIN
    EXECUTE format('SELECT COALESCE(max(id), 0) FROM orders.%I', archived) INTO highest;
    LOCK TABLE ONLY orders.orders, ONLY orders.order_items, ONLY orders.order_status_history IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('ALTER TABLE orders.orders DETACH PARTITION orders.%I', archived);
    EXECUTE format('ALTER TABLE orders.%I SET SCHEMA orders_archive', archived);
    UPDATE orders.months SET archived_at = now(), last_id = highest WHERE partition = archived;
    FOR range IN SELECT suffix FROM orders.order_ranges
                 WHERE archived_at IS NULL AND end_id <= (SELECT id FROM orders.orders ORDER BY id LIMIT 1) LOOP
        FOREACH parent IN ARRAY ARRAY['order_items', 'order_status_history'] LOOP
            name := format('%s_%s', parent, range.suffix);
            EXECUTE format('ALTER TABLE orders.%I DETACH PARTITION orders.%I', parent, name);
            EXECUTE format('ALTER TABLE orders.%I SET SCHEMA orders_archive', name);
        END LOOP;
        UPDATE orders.order_ranges SET archived_at = now() WHERE suffix = range.suffix;
    END LOOP;
END
$$;

SELECT orders.add_months('orders', 'reference', 3);
SELECT orders.add_order_ranges(3);
