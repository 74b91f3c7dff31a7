-- Notifications in monthly partitions, like orders (0039_months.sql). They are cut by the id of their event, a UUIDv7 that begins
-- with its time, so that a message is unique over all of them. What there was becomes the first partition as it is, and keeps
-- `notifications_once`: builds before this one know by that name that a message is there already.
--
-- `schema_floor` stays: builds before this one find everything by the same names. Nobody has asked for `notification_buckets`
-- since 0016_cheaper_notifications.sql.

SELECT orders.patiently('orders.notifications', 'LOCK TABLE orders.notifications IN ACCESS EXCLUSIVE MODE');

DROP VIEW orders.notification_buckets;
DROP TRIGGER notifications_complete ON orders.notifications;
DROP TRIGGER notifications_touch ON orders.notifications;

ALTER TABLE orders.notifications RENAME TO notifications_before_months;
ALTER INDEX orders.notifications_pkey RENAME TO notifications_before_months_pkey;
ALTER INDEX orders.notifications_queued RENAME TO notifications_before_months_queued;
ALTER INDEX orders.notifications_by_status RENAME TO notifications_before_months_by_status;
ALTER INDEX orders.notifications_by_provider_id RENAME TO notifications_before_months_by_provider_id;
ALTER INDEX orders.notifications_by_address RENAME TO notifications_before_months_by_address;

-- The number of a message is unique in its partition by a key, and over all of them because one sequence gives it.
CREATE TABLE orders.notifications (
    LIKE orders.notifications_before_months INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    CONSTRAINT notifications_told_once UNIQUE NULLS NOT DISTINCT (order_id, event_id, channel, recipient)
) PARTITION BY RANGE (event_id);
ALTER TABLE orders.notifications DROP CONSTRAINT notifications_first_months;
COMMENT ON CONSTRAINT notifications_told_once ON orders.notifications IS 'also finds the messages of an order';

-- The numbers go on.
DO $$
DECLARE
    next BIGINT := nextval(pg_get_serial_sequence('orders.notifications_before_months', 'id'));
BEGIN
    ALTER TABLE orders.notifications_before_months ALTER COLUMN id DROP IDENTITY;
    EXECUTE format('ALTER TABLE orders.notifications ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (START WITH %s)', next);
END
$$;

-- What is of no month.
CREATE TABLE orders.notifications_beyond (
    LIKE orders.notifications INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CONSTRAINT notifications_beyond_pkey PRIMARY KEY (id));

DO $$
DECLARE
    end_event UUID := (SELECT (regexp_match(pg_get_constraintdef(oid), '< ''([0-9a-f-]+)'))[1]::uuid
                       FROM pg_constraint
                       WHERE conname = 'notifications_first_months' AND connamespace = 'orders'::regnamespace);
BEGIN
    -- Only where there are such events: no index leads to them.
    IF NOT (SELECT convalidated FROM pg_constraint
            WHERE conname = 'notifications_first_months' AND conrelid = 'orders.notifications_before_months'::regclass) THEN
        INSERT INTO orders.notifications_beyond SELECT * FROM orders.notifications_before_months WHERE event_id >= end_event;
        DELETE FROM orders.notifications_before_months WHERE event_id >= end_event;
    END IF;
    EXECUTE format('ALTER TABLE orders.notifications ATTACH PARTITION orders.notifications_before_months
                    FOR VALUES FROM (MINVALUE) TO (%L)', end_event);
    INSERT INTO orders.months (parent, partition, first_key, end_key)
    VALUES ('notifications', 'notifications_before_months', '00000000-0000-0000-0000-000000000000', end_event);
END
$$;
ALTER TABLE orders.notifications ATTACH PARTITION orders.notifications_beyond DEFAULT;

-- Those of the first partition are found and taken as they are.
CREATE INDEX notifications_queued ON orders.notifications (channel, next_attempt_at) WHERE status = 'QUEUED';
CREATE INDEX notifications_by_status ON orders.notifications (status, id);
CREATE INDEX notifications_by_provider_id ON orders.notifications (provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX notifications_by_address ON orders.notifications (customer_email)
    WHERE order_id IS NULL AND customer_email IS NOT NULL;

-- That of before takes rows of what is the first partition now.
DROP FUNCTION orders.data_of(orders.notifications_before_months);
CREATE FUNCTION orders.data_of(n orders.notifications) RETURNS TEXT LANGUAGE sql STABLE AS $$
    SELECT COALESCE(
        n.data,
        (SELECT e.data FROM orders.notifications e
         WHERE e.order_id = n.order_id AND e.event_id = n.event_id AND e.channel = 'EMAIL' LIMIT 1),
        (orders.order_as_told(n.order_id) || jsonb_strip_nulls(jsonb_build_object('reason', n.facts -> 'reason')))::text,
        n.facts::text)
$$;

CREATE TRIGGER notifications_touch BEFORE UPDATE ON orders.notifications
    FOR EACH ROW EXECUTE FUNCTION orders.touch_row();
CREATE TRIGGER notifications_complete BEFORE UPDATE ON orders.notifications FOR EACH ROW
    WHEN ((NEW.data IS NULL) = (NEW.erased_at IS NULL))
    EXECUTE FUNCTION orders.complete_notification();
