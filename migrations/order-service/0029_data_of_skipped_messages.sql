-- A message that nothing is configured to send keeps no copy of what its order holds: `new_row` in
-- order-service/src/notifications/store.rs. Whether a guest placed the order is told as its event tells it.
CREATE OR REPLACE FUNCTION orders.order_as_told(id BIGINT) RETURNS JSONB LANGUAGE sql STABLE STRICT AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
               'orderId', o.id, 'reference', o.reference, 'customerName', o.customer_name,
               'customerEmail', o.customer_email, 'customerPhone', o.customer_phone,
               'shippingAddress', o.shipping_address, 'note', o.note, 'totalAmount', o.total_amount, 'items', i.items,
               'guest', CASE WHEN o.customer_id IS NULL THEN TRUE END))
    FROM orders.orders o
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('productId', product_id, 'productName', product_name, 'quantity', quantity,
                                            'price', price) ORDER BY product_id) AS items
        FROM orders.order_items WHERE order_id = o.id OFFSET 0) i
    WHERE o.id = $1
$$;
