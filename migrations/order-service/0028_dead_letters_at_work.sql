-- Dead letters as something to work on: whom they are about, edited, discarded, or replayed at a rate.

-- What the event is about: the reference of an order, the number of a product.
ALTER TABLE orders.dead_letters ADD COLUMN subject TEXT;

-- Letters of earlier builds get theirs where their event can be read.
DO $$
DECLARE
    letter RECORD;
BEGIN
    FOR letter IN SELECT id, body FROM orders.dead_letters LOOP
        BEGIN
            UPDATE orders.dead_letters SET subject = convert_from(letter.body, 'UTF8')::jsonb ->> 'subject'
            WHERE id = letter.id;
        EXCEPTION WHEN OTHERS THEN
            NULL; -- no text, or no JSON
        END;
    END LOOP;
END
$$;

-- `original_body` is the message as it came, once `body` was edited. `replay_due_at` is set where a replay waits its turn.
ALTER TABLE orders.dead_letters
    ADD COLUMN original_body BYTEA,
    ADD COLUMN edited_at TIMESTAMPTZ,
    ADD COLUMN edited_by TEXT,
    ADD COLUMN edit_reason TEXT,
    ADD COLUMN discarded_at TIMESTAMPTZ,
    ADD COLUMN discarded_by TEXT,
    ADD COLUMN discard_reason TEXT,
    ADD COLUMN replay_due_at TIMESTAMPTZ,
    ADD COLUMN state TEXT NOT NULL GENERATED ALWAYS AS (
        CASE WHEN replayed_at IS NOT NULL THEN 'REPLAYED' WHEN discarded_at IS NOT NULL THEN 'DISCARDED' ELSE 'WAITING' END
    ) STORED,
    ADD CONSTRAINT dead_letters_one_end CHECK (replayed_at IS NULL OR discarded_at IS NULL),
    ADD CONSTRAINT dead_letters_edited CHECK (
        (edited_at IS NULL) = (original_body IS NULL) AND (edited_at IS NULL) = (edited_by IS NULL)
        AND (edited_at IS NULL) = (edit_reason IS NULL)),
    ADD CONSTRAINT dead_letters_discarded CHECK (
        (discarded_at IS NULL) = (discarded_by IS NULL) AND (discarded_at IS NULL) = (discard_reason IS NULL));

-- One message is one letter while it waits; it may come back after it was discarded. An instance of the build before,
-- which still runs beside this one, cannot set a message aside any more: the message stays in its queue.
DROP INDEX orders.dead_letters_waiting_unique;
CREATE UNIQUE INDEX dead_letters_waiting_unique ON orders.dead_letters (consumer, sha256(body)) WHERE state = 'WAITING';

-- For the letters about one order: `list` in service-kit/src/dead_letters.rs.
CREATE INDEX dead_letters_subject_id ON orders.dead_letters (subject, id) WHERE subject IS NOT NULL;
-- For replays that wait their turn: `replay_due` there.
CREATE INDEX dead_letters_due ON orders.dead_letters (replay_due_at) WHERE state = 'WAITING' AND replay_due_at IS NOT NULL;
