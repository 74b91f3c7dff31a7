-- Messages about accounts name no order. `erase` in order-service/src/notifications/store.rs finds them by the key of their
-- address. Messages about orders are not in it. While it is built, messages can be read and not written.
CREATE INDEX notifications_by_address ON orders.notifications (customer_email)
    WHERE order_id IS NULL AND customer_email IS NOT NULL;
