-- Log-in: sessions with their refresh tokens, the keys that sign access tokens, codes that prove an address, guesses, and
-- the audit trail. A secret stands here as a hash, or sealed under ACCOUNT_MASTER_KEY.

-- A session lasts until its person logs out, it was idle for too long, or its time is over.
CREATE TABLE accounts.sessions (
    id               UUID PRIMARY KEY,
    user_id          UUID NOT NULL REFERENCES accounts.users (id),
    authenticated_at TIMESTAMPTZ NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL,
    last_used_at     TIMESTAMPTZ NOT NULL,
    idle_until       TIMESTAMPTZ NOT NULL,
    absolute_until   TIMESTAMPTZ NOT NULL,
    revoked_at       TIMESTAMPTZ,
    reason           TEXT CONSTRAINT sessions_reason
                     CHECK (reason IN ('LOGOUT', 'ENDED', 'PASSWORD', 'DISABLED', 'ERASED', 'REUSE')),
    agent            TEXT,
    network          TEXT,
    CONSTRAINT sessions_reason_of_end CHECK ((revoked_at IS NULL) = (reason IS NULL)),
    CONSTRAINT sessions_idle_within_absolute CHECK (idle_until <= absolute_until)
);

-- For the list of a person's sessions, newest first, and to end all of them.
CREATE INDEX sessions_by_user ON accounts.sessions (user_id, id DESC);
-- For the job that forgets what is long over.
CREATE INDEX sessions_absolute_until ON accounts.sessions (absolute_until);

-- One row for each refresh token that was given out. `successor_sealed` is the token that took its place, readable only with
-- the token itself: a client whose answer got lost gets the same one again.
CREATE TABLE accounts.refresh_tokens (
    hash             BYTEA PRIMARY KEY,
    session_id       UUID NOT NULL REFERENCES accounts.sessions (id) ON DELETE CASCADE,
    generation       INTEGER NOT NULL,
    used_at          TIMESTAMPTZ,
    successor_sealed BYTEA,
    CONSTRAINT refresh_tokens_generation_unique UNIQUE (session_id, generation),
    CONSTRAINT refresh_tokens_used_have_successor CHECK ((used_at IS NULL) = (successor_sealed IS NULL))
);

-- A key is published before it signs, and stays published until the last token that it signed is over.
CREATE TABLE accounts.signing_keys (
    kid            TEXT PRIMARY KEY,
    alg            TEXT NOT NULL,
    public_jwk     JSONB NOT NULL,
    private_sealed BYTEA,
    published_at   TIMESTAMPTZ NOT NULL,
    signs_from     TIMESTAMPTZ NOT NULL,
    signs_until    TIMESTAMPTZ NOT NULL,
    gone_at        TIMESTAMPTZ NOT NULL,
    revoked_at     TIMESTAMPTZ,
    CONSTRAINT signing_keys_times CHECK (published_at <= signs_from AND signs_from <= signs_until
        AND signs_until <= gone_at)
);

-- A code that was sent to prove that somebody reads an address. Without `user_id` nobody has the address, and none was sent.
CREATE TABLE accounts.codes (
    id         UUID PRIMARY KEY,
    user_id    UUID REFERENCES accounts.users (id),
    purpose    TEXT NOT NULL,
    hash       BYTEA NOT NULL,
    sealed     BYTEA,
    tries      INTEGER NOT NULL DEFAULT 0 CONSTRAINT codes_tries_bounded CHECK (tries BETWEEN 0 AND 5),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at    TIMESTAMPTZ,
    CONSTRAINT codes_used_are_empty CHECK (used_at IS NULL OR sealed IS NULL)
);

CREATE INDEX codes_by_user ON accounts.codes (user_id, purpose, id DESC) WHERE user_id IS NOT NULL;
-- For the job that empties what has expired, and forgets it later.
CREATE INDEX codes_sealed ON accounts.codes (expires_at) WHERE sealed IS NOT NULL;
CREATE INDEX codes_expires_at ON accounts.codes (expires_at);

-- Failed log-ins in a row: of an account from one network, and with an empty network from all. Accounts that do not exist
-- are counted as those that do.
CREATE TABLE accounts.guesses (
    account       BYTEA NOT NULL,
    network       TEXT NOT NULL,
    failures      INTEGER NOT NULL CONSTRAINT guesses_failures_positive CHECK (failures > 0),
    blocked_until TIMESTAMPTZ NOT NULL,
    last_at       TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account, network)
);

CREATE INDEX guesses_last_at ON accounts.guesses (last_at);

-- What was done to whose account, by whom. It names people by their ids alone, so that nothing has to be erased. Each entry
-- has the hash of the one before: what is changed or taken out later shows.
CREATE TABLE accounts.audit (
    id       BIGINT PRIMARY KEY,
    at       TIMESTAMPTZ NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    user_id  UUID NOT NULL,
    detail   TEXT,
    previous BYTEA NOT NULL,
    hash     BYTEA NOT NULL
);

CREATE INDEX audit_by_user ON accounts.audit (user_id, id DESC);

CREATE FUNCTION accounts.audit_hash(entry accounts.audit) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(entry.previous || convert_to(jsonb_build_array(entry.id, extract(epoch FROM entry.at), entry.actor,
        entry.action, entry.user_id, entry.detail)::text, 'UTF8'))
$$;

-- Entries follow each other without a gap: the next waits until the transaction of the last has ended.
CREATE FUNCTION accounts.chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last accounts.audit;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('accounts.audit'));
    SELECT * INTO last FROM accounts.audit ORDER BY id DESC LIMIT 1;
    NEW.id := COALESCE(last.id, 0) + 1;
    NEW.previous := COALESCE(last.hash, '');
    NEW.hash := accounts.audit_hash(NEW);
    RETURN NEW;
END
$$;

CREATE TRIGGER audit_chained BEFORE INSERT ON accounts.audit
    FOR EACH ROW EXECUTE FUNCTION accounts.chain_audit();

CREATE FUNCTION accounts.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what is in % stays as it is', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts.audit
    FOR EACH STATEMENT EXECUTE FUNCTION accounts.refuse_change();
