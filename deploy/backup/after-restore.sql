-- Run once after PostgreSQL was restored and before the services start, when the queues of the broker are empty. For psql, on
-- the database that holds the tables of all services.
--
-- The tables are those of one moment, but what was under way at that moment is lost: an event that was published before it
-- and processed after it stands in no outbox any more, and its effect is undone. What it has to bring about is seen by
-- comparing orders with their stock, so it is announced again, to the one queue that needs it. What is announced
-- needlessly changes nothing.
BEGIN;

CREATE FUNCTION pg_temp.event(source TEXT, type TEXT, reference UUID, data JSONB) RETURNS BYTEA LANGUAGE sql AS $$
    SELECT convert_to(jsonb_build_object(
        'specversion', '1.0', 'id', gen_random_uuid(), 'source', source, 'type', type, 'subject', reference,
        'time', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'datacontenttype', 'application/json', 'dataversion', 1, 'data', data)::text, 'UTF8')
$$;

-- Orders whose stock has not heard of them: of their creation, of their cancellation, of their shipment.
WITH unheard AS (
    SELECT o.id, o.reference, CASE
               WHEN o.status = 'CANCELLED' AND r.status <> 'RELEASED' THEN 'order.cancelled'
               WHEN o.status IN ('PENDING', 'PAID') AND o.total_amount IS NOT NULL AND r.status = 'HELD' THEN 'order.created'
               WHEN o.status IN ('SHIPPED', 'DELIVERED') AND r.reserved THEN 'order.shipped' END AS type
    FROM orders.orders o JOIN inventory.reservations r ON r.id = o.reference
)
INSERT INTO orders.outbox (event_type, body, queue)
SELECT type, pg_temp.event('/order-service', type, reference, jsonb_build_object('orderId', id, 'reference', reference)),
       CASE type WHEN 'order.shipped' THEN 'inventory-service.shipments' ELSE 'inventory-service.order-events' END
FROM unheard WHERE type IS NOT NULL ORDER BY id;

-- Orders that have not heard of their stock: that it is committed, or that it is gone.
WITH unheard AS (
    SELECT o.id, o.reference, CASE r.status
               WHEN 'COMMITTED' THEN 'reservation.committed'
               WHEN 'RELEASED' THEN 'reservation.refused' END AS type
    FROM orders.orders o JOIN inventory.reservations r ON r.id = o.reference
    WHERE o.total_amount IS NOT NULL
      AND (o.status IN ('PENDING', 'PAID') AND r.status = 'COMMITTED'
           OR o.status IN ('PENDING', 'PAID', 'CONFIRMED') AND r.status = 'RELEASED')
)
INSERT INTO inventory.outbox (event_type, body, queue)
SELECT type, pg_temp.event('/inventory-service', type, reference, jsonb_build_object('reference', reference)),
       CASE type WHEN 'reservation.committed' THEN 'order-service.reservation-events' ELSE 'order-service.lost-stock' END
FROM unheard ORDER BY id;

-- Numbers that were given out after the moment are in mails and at payment providers: none is given out again.
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, COALESCE(last_value, start_value) + 1000000)
FROM pg_sequences WHERE schemaname IN ('orders', 'inventory', 'accounts') \g /dev/null

-- What is announced again: rows by type.
SELECT event_type, count(*) FROM (
    SELECT event_type, queue FROM orders.outbox UNION ALL SELECT event_type, queue FROM inventory.outbox) AS o
WHERE queue IS NOT NULL GROUP BY event_type ORDER BY event_type;

COMMIT;
