-- Whose tokens are believed while their issuer is away, and which are not believed before their time is over.

-- The last good keys of each issuer, for a restart: `remember` in service-kit/src/access/tokens/keys_table.rs.
CREATE TABLE accounts.issuer_keys (
    issuer TEXT PRIMARY KEY,
    jwks TEXT NOT NULL,
    token_endpoint TEXT,
    fetched_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- What was taken back: a session (`sid`), all tokens of a user signed up to a moment (`sub`), or those of a key (`kid`).
CREATE TABLE accounts.revocations (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    issued_until TIMESTAMPTZ,
    until TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT revocations_pkey PRIMARY KEY (kind, id),
    CONSTRAINT revocations_kind CHECK (kind IN ('sid', 'sub', 'kid')),
    CONSTRAINT revocations_issued_until CHECK ((issued_until IS NOT NULL) = (kind = 'sub'))
);

-- For what every instance asks each second: `recent` in service-kit/src/access/tokens/revocations/table.rs.
CREATE INDEX revocations_recorded ON accounts.revocations (recorded_at);
-- For what is asked at start, and for forgetting: `all` and `expire` there.
CREATE INDEX revocations_until ON accounts.revocations (until);
