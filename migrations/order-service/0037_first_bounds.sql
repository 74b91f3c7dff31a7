-- What there is of orders, lines and timelines becomes the first partition of each table in 0039_months.sql. Here its bounds are
-- written down, which holds nobody up. 0038_validate_constraints.sql looks at the rows.

-- The tables of an order have no key in common that PostgreSQL could check over partitions. What comes to this one was
-- written by the transaction of its order; the invariant `rows-have-their-order` looks for what was not.
ALTER TABLE orders.pending_placements DROP CONSTRAINT pending_placements_order_id_fkey;

-- The first reference of a time: a UUIDv7 begins with its milliseconds since 1970, the first of all times here.
CREATE FUNCTION orders.first_reference(at TIMESTAMPTZ) RETURNS UUID LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (lpad(to_hex(GREATEST(extract(epoch FROM at) * 1000, 0)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- The time that a reference begins with.
CREATE FUNCTION orders.time_of(reference UUID) RETURNS TIMESTAMPTZ LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_timestamp(('x' || left(replace(reference::text, '-', ''), 12))::bit(48)::bigint / 1000.0);

-- The bounds are those of the rows to come while this goes on: a month at least, and for each order that there is another one, at
-- least one bucket (0010_customers_by_bucket.sql) and at the most sixteen.
DO $$
DECLARE
    last_id BIGINT := COALESCE((SELECT max(id) FROM orders.orders), 0);
    ends    UUID := orders.first_reference(date_trunc('month', now(), 'UTC') + INTERVAL '2 months');
    margin  BIGINT := LEAST(GREATEST(last_id, 262144), 16 * 262144);
    end_id  BIGINT := ((last_id + margin - 1) / 262144 + 1) * 262144;
BEGIN
    EXECUTE format('ALTER TABLE orders.orders ADD CONSTRAINT orders_first_months CHECK (reference < %L) NOT VALID', ends);
    EXECUTE format('ALTER TABLE orders.order_items
                    ADD CONSTRAINT order_items_first_range CHECK (order_id < %s) NOT VALID', end_id);
    EXECUTE format('ALTER TABLE orders.order_status_history
                    ADD CONSTRAINT order_status_history_first_range CHECK (order_id < %s) NOT VALID', end_id);
END
$$;
