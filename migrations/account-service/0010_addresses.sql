-- Where people have things sent, and where bills go. One address of a person is the default of each kind.
CREATE TABLE accounts.addresses (
    id               UUID PRIMARY KEY,
    user_id          UUID NOT NULL REFERENCES accounts.users (id) ON DELETE CASCADE,
    label            TEXT CONSTRAINT addresses_label_length CHECK (char_length(label) BETWEEN 1 AND 50),
    name             TEXT NOT NULL CONSTRAINT addresses_name_length CHECK (char_length(name) BETWEEN 1 AND 70),
    lines            TEXT[] NOT NULL CONSTRAINT addresses_lines_count CHECK (cardinality(lines) BETWEEN 1 AND 4),
    city             TEXT NOT NULL CONSTRAINT addresses_city_length CHECK (char_length(city) BETWEEN 1 AND 60),
    region           TEXT CONSTRAINT addresses_region_length CHECK (char_length(region) BETWEEN 1 AND 60),
    postcode         TEXT NOT NULL CONSTRAINT addresses_postcode_length CHECK (char_length(postcode) BETWEEN 1 AND 16),
    country          TEXT NOT NULL CONSTRAINT addresses_country_code CHECK (country ~ '^[A-Z]{2}$'),
    default_shipping BOOLEAN NOT NULL DEFAULT FALSE,
    default_billing  BOOLEAN NOT NULL DEFAULT FALSE,
    version          BIGINT NOT NULL DEFAULT 1,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    updated_at       TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    -- Like a unique index over part of the rows, but looked at when a statement ends: one UPDATE switches a default, and
    -- may meet the new one before the old one.
    CONSTRAINT addresses_one_default_shipping EXCLUDE USING btree (user_id WITH =) WHERE (default_shipping)
        DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT addresses_one_default_billing EXCLUDE USING btree (user_id WITH =) WHERE (default_billing)
        DEFERRABLE INITIALLY IMMEDIATE
);

-- For the list of a person's addresses.
CREATE INDEX addresses_user_id_id ON accounts.addresses (user_id, id);

CREATE TRIGGER addresses_touch BEFORE UPDATE ON accounts.addresses
    FOR EACH ROW EXECUTE FUNCTION accounts.touch_row();
