-- One row of the outbox is one message: the events of one type that a transaction announces travel together, in the
-- JSON batch format of CloudEvents, so that a batch of orders costs the broker and the database one message.

ALTER TABLE orders.outbox DROP COLUMN event_id;
ALTER TABLE orders.outbox ADD COLUMN events INTEGER NOT NULL DEFAULT 1
    CONSTRAINT outbox_events_positive CHECK (events > 0);

-- A row lives for milliseconds: compressing it would cost more than the room it takes.
ALTER TABLE orders.outbox ALTER COLUMN body SET STORAGE EXTERNAL;
