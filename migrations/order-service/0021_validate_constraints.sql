-- Looks at every row, beside those who read and write them: in a migration of its own, so that no stronger lock is held.
ALTER TABLE orders.order_status_history VALIDATE CONSTRAINT order_status_history_internal_note_length;
