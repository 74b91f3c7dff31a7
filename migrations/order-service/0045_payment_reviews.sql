-- What a provider showed of a payment when somebody decided about its review, and of each of its refunds: the same is not put to
-- review again. Only added to. Builds before this one do not read it, and put the same to review again.
CREATE TABLE orders.payment_reviews (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id BIGINT NOT NULL,
    -- The provider's name of the payment or of the refund, and its amount there.
    object_id  TEXT NOT NULL,
    amount     NUMERIC(24, 2) NOT NULL,
    -- What else it showed of the payment; nothing of a refund.
    reference  UUID,
    currency   TEXT,
    authorized NUMERIC(24, 2),
    captured   NUMERIC(24, 2),
    released   NUMERIC(24, 2),
    decided_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT payment_reviews_payment_or_refund
        CHECK (num_nulls(reference, currency, authorized, captured, released) IN (0, 5))
);
-- `of_payment` and `has_refund` in order-service/src/payments/store/reviews.rs.
CREATE INDEX payment_reviews_by_object ON orders.payment_reviews (payment_id, object_id);
