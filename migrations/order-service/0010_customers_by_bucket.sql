-- An order writes two entries to the index of orders by customer: when it is placed and when it is CONFIRMED. With the
-- address first, each came to another page, and with millions of orders the log had to take nearly every page as a whole.
-- With a bucket of order numbers in front, all new entries come to the few pages of the newest bucket, however many
-- orders there are. Who looks for a customer looks once in each bucket.

-- The bucket of an order: as few of them as possible, and each small enough to stay in memory (10 MB).
CREATE FUNCTION orders.bucket(id BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN id / 262144;

-- All buckets, also those without an order.
CREATE VIEW orders.buckets AS
SELECT generate_series(0, (SELECT orders.bucket(max(id)) FROM orders.orders)) AS bucket;

-- `list` in order-service/src/store/orders.rs, `erase` in order-service/src/store/notifications.rs.
DROP INDEX orders.orders_by_customer;
CREATE INDEX orders_by_customer ON orders.orders (orders.bucket(id), lower(customer_email), id DESC);
