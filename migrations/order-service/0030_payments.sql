-- Payments of orders. An order that asks for none has no row here and nothing in the new columns.

-- PAID: what was to be paid before the order goes on is paid, and its stock is not committed yet. `payment_status` is what the
-- order's payment comes to, NULL where none was asked for. `stock_committed` is set for an order that waits for its payment.
-- An instance of the build before, which still runs beside this one, cannot read an order that is PAID.
ALTER TABLE orders.orders
    ADD COLUMN payment_status TEXT,
    ADD COLUMN stock_committed BOOLEAN,
    DROP CONSTRAINT orders_status,
    ADD CONSTRAINT orders_status
        CHECK (status IN ('PENDING', 'PAID', 'CONFIRMED', 'SHIPPED', 'DELIVERED', 'CANCELLED')) NOT VALID,
    ADD CONSTRAINT orders_payment_status CHECK (payment_status IN (
        'DUE', 'AUTHORIZED', 'PAID', 'ON_DELIVERY', 'PART_REFUNDED', 'REFUNDED', 'VOIDED', 'REVIEW')) NOT VALID;
ALTER TABLE orders.order_status_history
    DROP CONSTRAINT order_status_history_status,
    ADD CONSTRAINT order_status_history_status
        CHECK (status IN ('PENDING', 'PAID', 'CONFIRMED', 'SHIPPED', 'DELIVERED', 'CANCELLED')) NOT VALID;

-- For `list` in order-service/src/orders/store.rs. No order without a payment is in them. While they are built, orders can be
-- read and not written: the whole table is read once, and nothing is found.
CREATE INDEX orders_by_payment_status ON orders.orders (payment_status, id DESC) WHERE payment_status IS NOT NULL;
CREATE INDEX orders_by_both_statuses ON orders.orders (payment_status, status, id DESC) WHERE payment_status IS NOT NULL;

-- What one order is to be paid by. The amounts only grow, but for refunds that fail after all. `closed_at` says since when it
-- takes no more money: it is captured, voided or expired.
CREATE TABLE orders.payments (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference           UUID NOT NULL CONSTRAINT payments_reference_unique UNIQUE,
    order_id            BIGINT NOT NULL,
    method              TEXT NOT NULL CONSTRAINT payments_method
                        CHECK (method IN ('CARD', 'UPI', 'NET_BANKING', 'WALLET', 'CASH_ON_DELIVERY')),
    provider            TEXT NOT NULL CONSTRAINT payments_provider
                        CHECK (provider IN ('STRIPE', 'RAZORPAY', 'ON_DELIVERY')),
    amount              NUMERIC(24, 2) NOT NULL CONSTRAINT payments_amount_positive CHECK (amount > 0),
    currency            TEXT NOT NULL CONSTRAINT payments_currency CHECK (currency ~ '^[A-Z]{3}$'),
    capture             TEXT NOT NULL CONSTRAINT payments_capture CHECK (capture IN ('AUTOMATIC', 'MANUAL')),
    provider_id         TEXT,
    provider_payment_id TEXT,
    status              TEXT NOT NULL CONSTRAINT payments_status CHECK (status IN (
                            'CREATED', 'ACTION_REQUIRED', 'FAILED', 'AUTHORIZED', 'CAPTURED', 'PART_REFUNDED', 'REFUNDED',
                            'VOIDED', 'EXPIRED', 'REVIEW')),
    authorized          NUMERIC(24, 2) NOT NULL DEFAULT 0,
    captured            NUMERIC(24, 2) NOT NULL DEFAULT 0,
    released            NUMERIC(24, 2) NOT NULL DEFAULT 0,
    refund_reserved     NUMERIC(24, 2) NOT NULL DEFAULT 0,
    refunded            NUMERIC(24, 2) NOT NULL DEFAULT 0,
    disputed            NUMERIC(24, 2) NOT NULL DEFAULT 0,
    capture_before      TIMESTAMPTZ,
    next_check_at       TIMESTAMPTZ,
    checks              INTEGER NOT NULL DEFAULT 0,
    error_code          TEXT,
    closed_at           TIMESTAMPTZ,
    version             BIGINT NOT NULL DEFAULT 1,
    created_at          TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    updated_at          TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT payments_not_negative
        CHECK (captured >= 0 AND released >= 0 AND refunded >= 0 AND disputed >= 0),
    CONSTRAINT payments_within_amount CHECK (authorized <= amount),
    CONSTRAINT payments_within_authorized CHECK (captured + released <= authorized),
    CONSTRAINT payments_refund_within_captured CHECK (refund_reserved <= captured),
    CONSTRAINT payments_refunded_was_reserved CHECK (refunded <= refund_reserved),
    CONSTRAINT payments_provider_id_unique UNIQUE (provider, provider_id)
);

-- At most one payment of an order takes money.
CREATE UNIQUE INDEX payments_one_open ON orders.payments (order_id) WHERE closed_at IS NULL;
-- `of_orders`, `of_order` and `lock_of_order` in order-service/src/payments/store.rs.
CREATE INDEX payments_of_order ON orders.payments (order_id, id DESC);

CREATE TRIGGER payments_stay BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON orders.payments
    FOR EACH STATEMENT EXECUTE FUNCTION orders.refuse_removal();

-- What is done, or to be done, to the money of a payment. The row is written before anybody acts on it, its id is the
-- provider's idempotency key, and only a definite answer ends it. `cause_id` is what caused it: with the cause it makes the
-- operation one of its kind.
CREATE TABLE orders.payment_operations (
    id              UUID PRIMARY KEY,
    payment_id      BIGINT NOT NULL,
    provider        TEXT NOT NULL CONSTRAINT payment_operations_provider
                    CHECK (provider IN ('STRIPE', 'RAZORPAY', 'ON_DELIVERY')),
    kind            TEXT NOT NULL CONSTRAINT payment_operations_kind
                    CHECK (kind IN ('CREATE', 'CONFIRM', 'CAPTURE', 'VOID', 'REFUND')),
    amount          NUMERIC(24, 2) NOT NULL CONSTRAINT payment_operations_amount_positive CHECK (amount > 0),
    status          TEXT NOT NULL CONSTRAINT payment_operations_status CHECK (status IN (
                        'PREPARED', 'SENT', 'UNKNOWN', 'ACCEPTED', 'SUCCEEDED', 'REFUSED', 'REVERSED', 'DROPPED')),
    cause           TEXT NOT NULL CONSTRAINT payment_operations_cause CHECK (cause IN (
                        'CHECKOUT', 'SHIPMENT', 'ORDER_CANCELLED', 'ITEMS_CANCELLED', 'RETURN', 'OVERPAID', 'LATE',
                        'EXCHANGE', 'MANUAL', 'EXTERNAL')),
    cause_id        UUID NOT NULL,
    reason          TEXT CONSTRAINT payment_operations_reason CHECK (char_length(reason) BETWEEN 1 AND 500),
    made_by         TEXT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    first_sent_at   TIMESTAMPTZ,
    next_attempt_at TIMESTAMPTZ,
    provider_ref    TEXT,
    error_code      TEXT,
    request_id      TEXT,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    updated_at      TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT payment_operations_provider_ref_unique UNIQUE (provider, provider_ref)
);

CREATE UNIQUE INDEX payment_operations_once ON orders.payment_operations (payment_id, kind, cause, cause_id)
    WHERE status NOT IN ('REFUSED', 'REVERSED', 'DROPPED');
-- `operations_of` in order-service/src/payments/store.rs. Ids are in the order of time.
CREATE INDEX payment_operations_of_payment ON orders.payment_operations (payment_id, id);

CREATE TRIGGER payment_operations_stay BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON orders.payment_operations
    FOR EACH STATEMENT EXECUTE FUNCTION orders.refuse_removal();
