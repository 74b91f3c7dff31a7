-- Whose messages were erased, and when: what happened before is not told to them any more, however late its event comes. Kept for as
-- long as such an event may come. Only added to. Builds before this one neither write nor read it.
CREATE TABLE orders.erasures (
    -- SHA-256 of what the address is compared by: the address itself is in no row.
    address_hash BYTEA NOT NULL CONSTRAINT erasures_address_hash CHECK (octet_length(address_hash) = 32),
    -- Whether messages about orders were erased, too, or those about an account alone.
    with_orders  BOOLEAN NOT NULL,
    erased_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (address_hash, with_orders)
);
-- `since` and `forget` in order-service/src/notifications/store/erasures.rs.
CREATE INDEX erasures_by_time ON orders.erasures (erased_at);
