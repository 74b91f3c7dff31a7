-- The trace of the event that a message tells of goes on when the message is sent. Only where that trace is recorded: nearly
-- all rows have none.
ALTER TABLE orders.notifications ADD COLUMN traceparent TEXT;
