-- The kit's tables for inventory-service: messages out, messages in, messages set aside, and answers kept for repeats.

-- Events written in the transaction of the change they tell of. The relay publishes them in order of `id` and
-- deletes what the broker confirmed.
CREATE TABLE inventory.outbox (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id   UUID NOT NULL UNIQUE,
    event_type TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

-- One row for each event a consumer has dealt with, written in the transaction of its effect.
CREATE TABLE inventory.inbox (
    consumer    TEXT NOT NULL,
    event_id    UUID NOT NULL,
    received_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
);

CREATE INDEX inbox_received_at ON inventory.inbox (received_at);

-- Messages that could not be dealt with, with the reason, as they came.
CREATE TABLE inventory.dead_letters (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer        TEXT NOT NULL,
    event_id        UUID,
    event_type      TEXT NOT NULL,
    body            BYTEA NOT NULL,
    reason          TEXT NOT NULL,
    attempts        INTEGER NOT NULL CONSTRAINT dead_letters_attempts_positive CHECK (attempts > 0),
    dead_lettered_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    replayed_at     TIMESTAMPTZ
);

-- The answer a request with an Idempotency-Key got, written in the transaction of its effect.
CREATE TABLE inventory.idempotency_keys (
    route        TEXT NOT NULL,
    key          TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    status       SMALLINT,
    location     TEXT,
    etag         TEXT,
    body         TEXT,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (route, key)
);

CREATE INDEX idempotency_keys_created_at ON inventory.idempotency_keys (created_at);
