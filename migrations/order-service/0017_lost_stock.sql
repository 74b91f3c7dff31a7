-- Placed orders whose stock was released under them, by hand in inventory-service: each is cancelled when it is noted here,
-- unless it has left the house. Nobody is to be told of one twice. The table stays all but empty.
CREATE TABLE orders.lost_stock (
    order_id BIGINT PRIMARY KEY,
    at       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
