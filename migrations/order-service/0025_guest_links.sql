-- Links by which guests see their orders, and codes by which they take them into an account.

-- The key that signs the links and makes the codes. One row, made when it is first needed, so all instances have the same:
-- `key` in order-service/src/guest_links/store.rs. Without it, every link that was sent is void.
CREATE TABLE orders.guest_link_keys (
    only_one BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT guest_link_keys_only_one CHECK (only_one),
    secret BYTEA NOT NULL CONSTRAINT guest_link_keys_secret CHECK (octet_length(secret) = 32),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Orders whose code somebody typed wrong, with how often in a row: `count_wrong` in order-service/src/orders/store/guests.rs.
CREATE TABLE orders.wrong_claim_codes (
    order_id BIGINT PRIMARY KEY,
    in_a_row INTEGER NOT NULL CONSTRAINT wrong_claim_codes_positive CHECK (in_a_row > 0),
    last_at TIMESTAMPTZ NOT NULL
);
