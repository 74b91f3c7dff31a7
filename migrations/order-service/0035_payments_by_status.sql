-- For `page` in order-service/src/payments/store.rs; how many are under review is counted by it, too.

CREATE INDEX payments_by_status ON orders.payments (status, id DESC);
DROP INDEX orders.payments_in_review;
