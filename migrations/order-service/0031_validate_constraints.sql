-- The constraints of 0030_payments.sql, held against the rows that were there before it. Orders can be written meanwhile.

ALTER TABLE orders.orders VALIDATE CONSTRAINT orders_status;
ALTER TABLE orders.orders VALIDATE CONSTRAINT orders_payment_status;
ALTER TABLE orders.order_status_history VALIDATE CONSTRAINT order_status_history_status;
