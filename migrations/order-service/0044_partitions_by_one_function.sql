-- What 0040_months_ahead.sql did for orders and lines each in its own way, once for all tables in partitions; and the archive of
-- notifications. What an instance of the build before calls stays: it may run beside this one.

-- Moves what has come to the partition beyond, from `first` on and before `next`. The parent is locked.
CREATE FUNCTION orders.move_from_beyond(parent TEXT, cut_by TEXT, name TEXT, first TEXT, next TEXT) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    -- What may not be deleted may be moved.
    EXECUTE format('ALTER TABLE orders.%I DISABLE TRIGGER USER', parent || '_beyond');
    EXECUTE format('WITH moved AS (DELETE FROM orders.%1$I WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING *)
                    INSERT INTO orders.%5$I SELECT * FROM moved', parent || '_beyond', cut_by, first, next, name);
    EXECUTE format('ALTER TABLE orders.%I ENABLE TRIGGER USER', parent || '_beyond');
END
$$;

-- Adds a partition from `first` on and before `next`, with what has come to the partition beyond meanwhile.
CREATE FUNCTION orders.add_partition(parent TEXT, cut_by TEXT, name TEXT, first TEXT, next TEXT) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    -- Or else who has planned without the new partition would miss what is moved into it.
    EXECUTE format('LOCK TABLE ONLY orders.%I IN ACCESS EXCLUSIVE MODE', parent);
    EXECUTE format('CREATE TABLE orders.%I (LIKE orders.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
    PERFORM orders.move_from_beyond(parent, cut_by, name, first, next);
    EXECUTE format('ALTER TABLE orders.%I ATTACH PARTITION orders.%I FOR VALUES FROM (%L) TO (%L)', parent, name, first, next);
END
$$;

-- Takes a partition out of its table, into the schema `orders_archive`.
CREATE FUNCTION orders.archive_partition(parent TEXT, name TEXT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE orders.%I DETACH PARTITION orders.%I', parent, name);
    EXECUTE format('ALTER TABLE orders.%I SET SCHEMA orders_archive', name);
END
$$;

-- Adds the months up to `ahead` after this one; gives their names.
CREATE OR REPLACE FUNCTION orders.add_months(parent TEXT, cut_by TEXT, ahead INTEGER) RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
DECLARE
    until UUID := orders.first_reference(date_trunc('month', now(), 'UTC') + make_interval(months => ahead));
    first UUID := (SELECT end_key FROM orders.months m WHERE m.parent = add_months.parent ORDER BY end_key DESC LIMIT 1);
    month TIMESTAMP;
    next  UUID;
    name  TEXT;
BEGIN
    IF first <= until THEN
        EXECUTE format('LOCK TABLE ONLY orders.%I IN ACCESS EXCLUSIVE MODE', parent);
        -- Another instance may have added some meanwhile.
        first := (SELECT end_key FROM orders.months m WHERE m.parent = add_months.parent ORDER BY end_key DESC LIMIT 1);
    END IF;
    WHILE first <= until LOOP
        month := date_trunc('month', orders.time_of(first) AT TIME ZONE 'UTC');
        next := orders.first_reference((month + INTERVAL '1 month') AT TIME ZONE 'UTC');
        name := parent || to_char(month, '"_"YYYY_MM');
        PERFORM orders.add_partition(parent, cut_by, name, first::text, next::text);
        -- The key of the numbers is not one of the whole table, which is cut by something else.
        EXECUTE format('ALTER TABLE orders.%I ADD PRIMARY KEY (id)', name);
        INSERT INTO orders.months (parent, partition, first_key, end_key) VALUES (parent, name, first, next);
        RETURN NEXT name;
        first := next;
    END LOOP;
END
$$;

-- Adds ranges of lines and timelines for as many orders as `ahead` months have; gives their names. A range is about a month: as
-- many numbers as the last thirty days took, in whole buckets (0010_customers_by_bucket.sql).
CREATE OR REPLACE FUNCTION orders.add_order_ranges(ahead INTEGER) RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
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
    IF first <= newest + ahead * size THEN
        LOCK TABLE ONLY orders.order_items, ONLY orders.order_status_history IN ACCESS EXCLUSIVE MODE;
        first := (SELECT max(end_id) FROM orders.order_ranges);
    END IF;
    WHILE first <= newest + ahead * size LOOP
        FOREACH parent IN ARRAY ARRAY['order_items', 'order_status_history'] LOOP
            name := format('%s_from_%s', parent, first);
            PERFORM orders.add_partition(parent, 'order_id', name, first::text, (first + size)::text);
            RETURN NEXT name;
        END LOOP;
        INSERT INTO orders.order_ranges (suffix, first_id, end_id) VALUES (format('from_%s', first), first, first + size);
        first := first + size;
    END LOOP;
END
$$;

-- The oldest month of a table that has been over for `keep` months, if there is one.
CREATE FUNCTION orders.oldest_month(parent TEXT, keep INTEGER) RETURNS TEXT LANGUAGE sql STABLE AS $$
    SELECT m.partition FROM orders.months m
    WHERE m.parent = oldest_month.parent AND m.archived_at IS NULL
      AND m.end_key <= orders.first_reference(date_trunc('month', now(), 'UTC') - make_interval(months => keep))
    ORDER BY m.end_key LIMIT 1
$$;

-- The number of an order because of which its month has to stay: it holds stock, or its payment is not done with.
CREATE FUNCTION orders.order_that_holds(month TEXT, OUT held_by BIGINT) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($q$
        SELECT id FROM orders.%1$I WHERE status IN ('PENDING', 'PAID', 'CONFIRMED')
        UNION ALL
        SELECT o.id FROM (
            SELECT order_id FROM orders.payments
            WHERE closed_at IS NULL AND order_id <= (SELECT max(id) FROM orders.%1$I)
            UNION ALL
            SELECT order_id FROM orders.payments WHERE status = 'REVIEW'
            UNION ALL
            SELECT p.order_id FROM orders.payments_at_work w JOIN orders.payments p ON p.id = w.payment_id) p
        JOIN orders.%1$I o ON o.id = p.order_id
        LIMIT 1$q$, month) INTO held_by;
END
$$;

CREATE OR REPLACE FUNCTION orders.month_to_archive(keep INTEGER, OUT partition TEXT, OUT held_by BIGINT) LANGUAGE plpgsql AS $$
BEGIN
    partition := orders.oldest_month('orders', keep);
    IF partition IS NOT NULL THEN
        held_by := orders.order_that_holds(partition);
    END IF;
END
$$;

-- Takes a month of orders out of the table, and with it the ranges of lines and timelines of which no order is left. It takes
-- milliseconds once nobody uses the tables.
CREATE OR REPLACE FUNCTION orders.archive_month(archived TEXT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    highest BIGINT;
    held_by BIGINT;
    range   RECORD;
BEGIN
    EXECUTE format('SELECT COALESCE(max(id), 0) FROM orders.%I', archived) INTO highest;
    LOCK TABLE ONLY orders.orders, ONLY orders.order_items, ONLY orders.order_status_history IN ACCESS EXCLUSIVE MODE;
    -- Whoever moves money or stock locks the order first, so from here on nobody begins to.
    held_by := orders.order_that_holds(archived);
    IF held_by IS NOT NULL THEN
        RAISE EXCEPTION 'order % of % has something going on again', held_by, archived;
    END IF;
    PERFORM orders.archive_partition('orders', archived);
    UPDATE orders.months SET archived_at = now(), last_id = highest WHERE partition = archived;
    FOR range IN SELECT suffix FROM orders.order_ranges
                 WHERE archived_at IS NULL AND end_id <= (SELECT id FROM orders.orders ORDER BY id LIMIT 1) LOOP
        PERFORM orders.archive_partition(p, p || '_' || range.suffix)
        FROM unnest(ARRAY['order_items', 'order_status_history']) AS p;
        UPDATE orders.order_ranges SET archived_at = now() WHERE suffix = range.suffix;
    END LOOP;
END
$$;

-- The number of a message because of which its month has to stay: it is still to be sent.
CREATE FUNCTION orders.message_that_holds(month TEXT, OUT held_by BIGINT) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($q$SELECT id FROM orders.%I WHERE status = 'QUEUED' LIMIT 1$q$, month) INTO held_by;
END
$$;

CREATE FUNCTION orders.notifications_to_archive(keep INTEGER, OUT partition TEXT, OUT held_by BIGINT) LANGUAGE plpgsql AS $$
BEGIN
    partition := orders.oldest_month('notifications', keep);
    IF partition IS NOT NULL THEN
        held_by := orders.message_that_holds(partition);
    END IF;
END
$$;

-- Takes a month of notifications out of the table.
CREATE FUNCTION orders.archive_notifications(archived TEXT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held_by BIGINT;
BEGIN
    LOCK TABLE ONLY orders.notifications IN ACCESS EXCLUSIVE MODE;
    held_by := orders.message_that_holds(archived);
    IF held_by IS NOT NULL THEN
        RAISE EXCEPTION 'message % of % is to be sent again', held_by, archived;
    END IF;
    PERFORM orders.archive_partition('notifications', archived);
    UPDATE orders.months SET archived_at = now() WHERE partition = archived;
END
$$;

-- Takes a partition back into its table, and what has come of its time since. PostgreSQL reads all of it meanwhile.
CREATE FUNCTION orders.take_back_partition(parent TEXT, cut_by TEXT, name TEXT, first TEXT, next TEXT) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('LOCK TABLE ONLY orders.%I IN ACCESS EXCLUSIVE MODE', parent);
    EXECUTE format('ALTER TABLE orders_archive.%I SET SCHEMA orders', name);
    PERFORM orders.move_from_beyond(parent, cut_by, name, first, next);
    EXECUTE format('ALTER TABLE orders.%I ATTACH PARTITION orders.%I FOR VALUES FROM (%L) TO (%L)', parent, name, first, next);
END
$$;

-- Takes an archived month back, of orders with the ranges of lines and timelines that have left as well.
CREATE FUNCTION orders.take_back(archived TEXT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month  orders.months;
    oldest BIGINT;
BEGIN
    UPDATE orders.months SET archived_at = NULL, last_id = NULL WHERE partition = archived AND archived_at IS NOT NULL
    RETURNING * INTO month;
    IF month IS NULL THEN
        RAISE EXCEPTION '% is no archived month', archived;
    END IF;
    PERFORM orders.take_back_partition(
        month.parent, CASE month.parent WHEN 'orders' THEN 'reference' ELSE 'event_id' END, archived, month.first_key::text,
        month.end_key::text);
    IF month.parent = 'orders' THEN
        EXECUTE format('SELECT min(id) FROM orders.%I', archived) INTO oldest;
        PERFORM orders.take_back_partition(p, 'order_id', p || '_' || suffix, first_id::text, end_id::text)
        FROM orders.order_ranges, unnest(ARRAY['order_items', 'order_status_history']) AS p
        WHERE archived_at IS NOT NULL AND end_id > oldest;
        UPDATE orders.order_ranges SET archived_at = NULL WHERE end_id > oldest;
    END IF;
END
$$;

-- Adds months of notifications like `add_months`. Builds before this one claim messages by their place alone, which is the same in
-- each partition: from when there is a second one in use, they are not to be started any more.
CREATE FUNCTION orders.add_months_of_notifications(ahead INTEGER) RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
BEGIN
    IF now() >= (SELECT orders.time_of(min(end_key::text)::uuid) FROM orders.months WHERE parent = 'notifications')
                - INTERVAL '1 day' THEN
        UPDATE orders.schema_floor SET floor = 44 WHERE floor < 44;
    END IF;
    RETURN QUERY SELECT orders.add_months('notifications', 'event_id', ahead);
END
$$;

-- The orders of the customer with this key in the months that are archived and not dropped: messages about them may be in use.
CREATE FUNCTION orders.archived_orders_of(key TEXT) RETURNS SETOF BIGINT LANGUAGE plpgsql STABLE AS $$
DECLARE
    month TEXT;
BEGIN
    FOR month IN SELECT partition FROM orders.months
                 WHERE parent = 'orders' AND archived_at IS NOT NULL AND to_regclass('orders_archive.' || partition) IS NOT NULL LOOP
        RETURN QUERY EXECUTE format($q$
            SELECT o.id
            FROM generate_series((SELECT orders.bucket(min(id)) FROM orders_archive.%1$I),
                                 (SELECT orders.bucket(max(id)) FROM orders_archive.%1$I)) AS bucket
            CROSS JOIN LATERAL (
                SELECT id FROM orders_archive.%1$I
                WHERE orders.bucket(id) = bucket AND COALESCE(customer_key, lower(customer_email COLLATE "C")) = $1
                OFFSET 0) o$q$, month) USING key;
    END LOOP;
END
$$;

SELECT orders.patiently('orders.notifications', 'SELECT orders.add_months_of_notifications(3)');
