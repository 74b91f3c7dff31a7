-- `erase` in order-service/src/notifications/store.rs. Rows of earlier builds name their customer as the recipient of
-- their e-mail only; their SMS are found by the order of that e-mail. While it is built, messages can be read.
CREATE INDEX notifications_by_customer ON orders.notifications (
    (id / 16384), lower(COALESCE(customer_email, CASE WHEN order_id IS NOT NULL THEN recipient END)));
