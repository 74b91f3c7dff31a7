-- A row of the notification log carries everything its message is made of: the data of its event, and whose message it
-- is. So whoever sends or erases it reads no order, and events that are about no order can make messages, too.

-- `about` is the subject of the event. `data` is the data of the event: as text, because nothing looks into it here, and
-- taking JSON apart costs as much as all the rest of a row. `facts` is what earlier builds kept. The kinds of messages are
-- known to the code, where each has its templates, so a new kind needs no migration.
ALTER TABLE orders.notifications
    ADD COLUMN about          TEXT,
    ADD COLUMN customer_email TEXT,
    ADD COLUMN data           TEXT,
    DROP CONSTRAINT notifications_kind,
    DROP CONSTRAINT notifications_erased,
    ADD CONSTRAINT notifications_erased CHECK (
        erased_at IS NULL
        OR num_nonnulls(recipient, customer_email, data, facts, subject, body_text, body_html, last_error) = 0) NOT VALID;

-- `notifications_once` stays as it is. It holds the id of the event, a UUIDv7 that begins with a time: the table can be
-- cut into months by it. It begins with the order, so it also serves `of_order`, and the look for earlier messages of the
-- same order in `claim` and `put_off_followers`, order-service/src/notifications/store/queue.rs.
COMMENT ON CONSTRAINT notifications_once ON orders.notifications IS 'also finds the messages of an order';

-- All buckets of notifications, also those without one; why there are buckets: 0010_customers_by_bucket.sql. These are
-- smaller: there are several messages for an order, and their customers are looked for only in order to erase.
CREATE VIEW orders.notification_buckets AS
SELECT generate_series(0, (SELECT max(id) FROM orders.notifications) / 16384) AS bucket;

-- Completes what earlier builds write, which run beside this one during an update, and what they wrote once anybody
-- touches it again. Erases what they do not know when they erase. Orders are read here for the last time.
CREATE FUNCTION orders.complete_notification() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found_order RECORD;
BEGIN
    IF NEW.erased_at IS NOT NULL THEN
        NEW.customer_email := NULL;
        NEW.data := NULL;
        RETURN NEW;
    END IF;
    SELECT o.reference::text AS about, o.customer_email, jsonb_strip_nulls(jsonb_build_object(
               'orderId', o.id, 'reference', o.reference, 'reason', NEW.facts ->> 'reason',
               'customerName', o.customer_name, 'customerEmail', o.customer_email, 'customerPhone', o.customer_phone,
               'shippingAddress', o.shipping_address, 'note', o.note, 'totalAmount', o.total_amount, 'items', i.items)) AS data
    INTO found_order
    FROM orders.orders o
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('productId', product_id, 'productName', product_name, 'quantity', quantity,
                                            'price', price) ORDER BY product_id) AS items
        FROM orders.order_items WHERE order_id = o.id OFFSET 0) i
    WHERE o.id = NEW.order_id;
    NEW.about := COALESCE(found_order.about, NEW.facts ->> 'productId');
    NEW.customer_email := found_order.customer_email;
    NEW.data := COALESCE(found_order.data, NEW.facts)::text;
    RETURN NEW;
END
$$;

CREATE TRIGGER notifications_complete BEFORE INSERT OR UPDATE ON orders.notifications FOR EACH ROW
    WHEN ((NEW.data IS NULL) = (NEW.erased_at IS NULL))
    EXECUTE FUNCTION orders.complete_notification();
