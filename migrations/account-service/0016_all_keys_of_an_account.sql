-- An account that is erased takes its revoked API keys along, too.
CREATE INDEX api_keys_user_id ON accounts.api_keys (user_id, id);
DROP INDEX accounts.api_keys_user_id_id;
