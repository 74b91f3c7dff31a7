-- What writing the notification log cost more than it had to: an entry of its index by customer for each row, four an
-- order; a trigger that had nothing to do; the subject of the event, which nobody read; and the data of the event twice,
-- for the e-mail and for the SMS.

-- The messages to a customer are found by the customer's orders, which have an index by customer. The view
-- `notification_buckets` and the column `about` stay for instances of the build before.
DROP INDEX orders.notifications_by_customer;

-- The data of an order's event as this build would write it. Only for what earlier builds wrote and told.
CREATE FUNCTION orders.order_as_told(id BIGINT) RETURNS JSONB LANGUAGE sql STABLE STRICT AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
               'orderId', o.id, 'reference', o.reference, 'customerName', o.customer_name,
               'customerEmail', o.customer_email, 'customerPhone', o.customer_phone,
               'shippingAddress', o.shipping_address, 'note', o.note, 'totalAmount', o.total_amount, 'items', i.items))
    FROM orders.orders o
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('productId', product_id, 'productName', product_name, 'quantity', quantity,
                                            'price', price) ORDER BY product_id) AS items
        FROM orders.order_items WHERE order_id = o.id OFFSET 0) i
    WHERE o.id = $1
$$;

-- What a message is made of. An SMS is written without it: the e-mail about the same event has it. So do earlier builds.
CREATE FUNCTION orders.data_of(n orders.notifications) RETURNS TEXT LANGUAGE sql STABLE AS $$
    SELECT COALESCE(
        n.data,
        (SELECT e.data FROM orders.notifications e
         WHERE e.order_id = n.order_id AND e.event_id = n.event_id AND e.channel = 'EMAIL' LIMIT 1),
        (orders.order_as_told(n.order_id) || jsonb_strip_nulls(jsonb_build_object('reason', n.facts -> 'reason')))::text,
        n.facts::text)
$$;

CREATE OR REPLACE FUNCTION orders.complete_notification() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.erased_at IS NOT NULL THEN
        NEW.customer_email := NULL;
        NEW.data := NULL;
    ELSE
        NEW.data := orders.data_of(NEW);
        NEW.customer_email := COALESCE(NEW.customer_email, NEW.data::jsonb ->> 'customerEmail');
    END IF;
    RETURN NEW;
END
$$;

-- Claiming a message is an update, too, so each is complete before it is sent.
DROP TRIGGER notifications_complete ON orders.notifications;
CREATE TRIGGER notifications_complete BEFORE UPDATE ON orders.notifications FOR EACH ROW
    WHEN ((NEW.data IS NULL) = (NEW.erased_at IS NULL))
    EXECUTE FUNCTION orders.complete_notification();
