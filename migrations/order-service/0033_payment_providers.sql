-- Payments by providers that are asked over the network: when they run out, what is to be sent, and what providers tell.

-- `pay_by` is when an order is cancelled that is not paid until then; on delivery there is no such time. When a payment is looked
-- at next, and how often it was, is kept in `payments_at_work`.
ALTER TABLE orders.payments
    ADD COLUMN pay_by TIMESTAMPTZ,
    DROP COLUMN next_check_at,
    DROP COLUMN checks;

-- `token` and `return_url` are what the customer's means of payment is tried with: sent again word for word under the same key, and
-- forgotten once that has ended.
ALTER TABLE orders.payment_operations
    ADD COLUMN token TEXT,
    ADD COLUMN return_url TEXT,
    ADD CONSTRAINT payment_operations_token_forgotten
        CHECK ((token IS NULL AND return_url IS NULL) OR status IN ('PREPARED', 'SENT', 'UNKNOWN')),
    DROP COLUMN next_attempt_at,
    DROP COLUMN request_id;
-- What is to be sent of a payment, oldest first: `open_operations` in order-service/src/payments/store.rs.
CREATE INDEX payment_operations_open ON orders.payment_operations (payment_id, id)
    WHERE status IN ('PREPARED', 'SENT', 'UNKNOWN');

-- The payments of which something is to be sent, or at which somebody has to look; no other has a row. Claimed by moving
-- `next_attempt_at` on.
CREATE TABLE orders.payments_at_work (
    payment_id      BIGINT PRIMARY KEY,
    order_id        BIGINT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX payments_at_work_due ON orders.payments_at_work (next_attempt_at);

-- What providers told, so that it is heard once. Of what they sent nothing is kept but its name: the rest is personal data, and
-- what counts is looked up.
CREATE TABLE orders.payment_events (
    provider    TEXT NOT NULL CONSTRAINT payment_events_provider CHECK (provider IN ('STRIPE', 'RAZORPAY')),
    event_id    TEXT NOT NULL,
    kind        TEXT NOT NULL,
    payment_id  BIGINT,
    received_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (provider, event_id)
);
CREATE INDEX payment_events_by_time ON orders.payment_events (provider, received_at);

-- What does not fit between a provider's books and ours, until somebody says what was done about it.
CREATE TABLE orders.payment_findings (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        TEXT NOT NULL CONSTRAINT payment_findings_kind CHECK (kind IN (
                    'HERE_ONLY', 'THERE_ONLY', 'AMOUNT', 'STATUS', 'CAPTURED_WITHOUT_ORDER')),
    provider    TEXT NOT NULL CONSTRAINT payment_findings_provider CHECK (provider IN ('STRIPE', 'RAZORPAY')),
    object_id   TEXT NOT NULL,
    payment_id  BIGINT,
    ours        NUMERIC(24, 2),
    theirs      NUMERIC(24, 2),
    detail      TEXT NOT NULL,
    found_at    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    resolved_at TIMESTAMPTZ,
    resolved_by TEXT,
    note        TEXT CONSTRAINT payment_findings_note CHECK (char_length(note) BETWEEN 1 AND 500),
    CONSTRAINT payment_findings_resolved CHECK (num_nulls(resolved_at, resolved_by, note) IN (0, 3))
);
-- The same is found once until it is resolved.
CREATE UNIQUE INDEX payment_findings_open ON orders.payment_findings (provider, object_id, kind) WHERE resolved_at IS NULL;
CREATE INDEX payment_findings_by_object ON orders.payment_findings (provider, object_id);

-- How many somebody has to look at is counted again and again.
CREATE INDEX payments_in_review ON orders.payments (id) WHERE status = 'REVIEW';

-- The days of which that is done. Whoever does one has it until `leased_until`.
CREATE TABLE orders.reconciled_days (
    day          DATE PRIMARY KEY,
    leased_until TIMESTAMPTZ NOT NULL,
    done_at      TIMESTAMPTZ
);
