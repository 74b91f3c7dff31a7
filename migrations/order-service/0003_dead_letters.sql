-- Dead letters can be looked at and replayed, and one message is one letter.

-- A message that is set aside again, because its acknowledgement got lost, is the letter that is there already. Once
-- it was replayed it may come back as a new one.
DELETE FROM orders.dead_letters older USING orders.dead_letters newer
WHERE older.consumer = newer.consumer AND sha256(older.body) = sha256(newer.body) AND older.id < newer.id
  AND older.replayed_at IS NULL AND newer.replayed_at IS NULL;

CREATE UNIQUE INDEX dead_letters_waiting_unique ON orders.dead_letters (consumer, sha256(body))
    WHERE replayed_at IS NULL;

-- For the list of one consumer's letters, newest first: `list` in service-kit/src/dead_letters.rs.
CREATE INDEX dead_letters_consumer_id ON orders.dead_letters (consumer, id);

-- Replaying goes through the outbox: to one queue instead of the exchange, and with whatever bytes the letter has.
ALTER TABLE orders.outbox ADD COLUMN queue TEXT;
ALTER TABLE orders.outbox ALTER COLUMN body TYPE BYTEA USING convert_to(body, 'UTF8');
