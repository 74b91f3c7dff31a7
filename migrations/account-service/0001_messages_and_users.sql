-- account-service: the kit's tables (messages out, messages in, messages set aside, answers kept for repeats), and the
-- people. All of it lives in the schema `accounts`; nothing here refers to the tables of the other services.
-- Times of a new row are those of its statement, so that it begins with `updated_at` = `created_at`.

CREATE SCHEMA IF NOT EXISTS accounts;

-- One row is one message: the events of one type that a transaction announces travel together. The relay publishes them
-- in order of `id` and deletes what the broker confirmed. `queue` is set where a dead letter is replayed.
CREATE TABLE accounts.outbox (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_type TEXT NOT NULL,
    body       BYTEA COMPRESSION lz4 NOT NULL,
    events     INTEGER NOT NULL DEFAULT 1 CONSTRAINT outbox_events_positive CHECK (events > 0),
    queue      TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

-- One row for each event a consumer has dealt with, written in the transaction of its effect.
CREATE TABLE accounts.inbox (
    consumer    TEXT NOT NULL,
    event_id    UUID NOT NULL,
    received_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (event_id, consumer)
);

CREATE INDEX inbox_received_at ON accounts.inbox USING brin (received_at) WITH (autosummarize = on);

-- Messages that could not be dealt with, with the reason, as they came. One message is one letter, until it is replayed.
CREATE TABLE accounts.dead_letters (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer         TEXT NOT NULL,
    event_id         UUID,
    event_type       TEXT NOT NULL,
    body             BYTEA NOT NULL,
    reason           TEXT NOT NULL,
    attempts         INTEGER NOT NULL CONSTRAINT dead_letters_attempts_positive CHECK (attempts > 0),
    dead_lettered_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    replayed_at      TIMESTAMPTZ
);

CREATE UNIQUE INDEX dead_letters_waiting_unique ON accounts.dead_letters (consumer, sha256(body))
    WHERE replayed_at IS NULL;
-- For the list of one consumer's letters, newest first.
CREATE INDEX dead_letters_consumer_id ON accounts.dead_letters (consumer, id);

-- The answer a request with an Idempotency-Key got, written in the transaction of its effect.
CREATE TABLE accounts.idempotency_keys (
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

CREATE INDEX idempotency_keys_created_at ON accounts.idempotency_keys (created_at);

-- Statements count the version, from which the ETag is made; the function does it for a change made by hand in psql.
CREATE FUNCTION accounts.touch_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;

-- A person. Who was erased keeps a row without anything personal, so that no number is given to somebody else.
-- `epoch` counts what ends every token of before: a new password, other roles. `issuer` and `subject` name people who log
-- in elsewhere.
CREATE TABLE accounts.users (
    id                  UUID PRIMARY KEY,
    email               TEXT,
    email_key           TEXT CONSTRAINT users_email_unique UNIQUE,
    email_verified_at   TIMESTAMPTZ,
    password_hash       TEXT,
    password_changed_at TIMESTAMPTZ,
    name                TEXT,
    phone               TEXT,
    status              TEXT NOT NULL DEFAULT 'ACTIVE'
                        CONSTRAINT users_status CHECK (status IN ('ACTIVE', 'DISABLED', 'ERASED')),
    roles               TEXT[] NOT NULL DEFAULT '{CUSTOMER}'
                        CONSTRAINT users_roles CHECK (roles <@ '{CUSTOMER,SELLER,ADMIN}'),
    seller_id           UUID,
    epoch               INTEGER NOT NULL DEFAULT 0,
    issuer              TEXT,
    subject             TEXT,
    version             BIGINT NOT NULL DEFAULT 1,
    created_at          TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    updated_at          TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    CONSTRAINT users_email_with_key CHECK ((email IS NULL) = (email_key IS NULL)),
    CONSTRAINT users_issuer_with_subject CHECK ((issuer IS NULL) = (subject IS NULL)),
    CONSTRAINT users_subject_unique UNIQUE (issuer, subject),
    CONSTRAINT users_erased_is_empty CHECK (status <> 'ERASED' OR (email IS NULL AND password_hash IS NULL
        AND name IS NULL AND phone IS NULL AND issuer IS NULL))
);

CREATE TRIGGER users_touch BEFORE UPDATE ON accounts.users
    FOR EACH ROW WHEN (NEW.version = OLD.version) EXECUTE FUNCTION accounts.touch_row();
