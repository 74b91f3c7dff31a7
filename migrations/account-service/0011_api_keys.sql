-- Keys by which programs act for people. Of a key only its hash is kept: it has 190 random bits, so nobody tries them out.
CREATE TABLE accounts.api_keys (
    id           UUID PRIMARY KEY,
    user_id      UUID NOT NULL REFERENCES accounts.users (id),
    name         TEXT NOT NULL CONSTRAINT api_keys_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    hash         BYTEA NOT NULL,
    roles        TEXT[] NOT NULL CONSTRAINT api_keys_roles
                 CHECK (roles <@ '{CUSTOMER,SELLER,ADMIN}' AND cardinality(roles) > 0),
    scopes       TEXT[] NOT NULL CONSTRAINT api_keys_scopes_some CHECK (cardinality(scopes) > 0),
    -- Addresses and networks from which it may be used; from everywhere where there are none.
    networks     TEXT[] NOT NULL DEFAULT '{}',
    expires_at   TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    revoked_at   TIMESTAMPTZ,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp()
);

-- For the list of a person's keys.
CREATE INDEX api_keys_user_id_id ON accounts.api_keys (user_id, id) WHERE revoked_at IS NULL;
