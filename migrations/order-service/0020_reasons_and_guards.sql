-- What operators note about a step of an order, beside the reason that its customer is told.
ALTER TABLE orders.order_status_history
    ADD COLUMN internal_note TEXT,
    ADD CONSTRAINT order_status_history_internal_note_length CHECK (char_length(internal_note) BETWEEN 1 AND 500) NOT VALID;

-- The prices that an accepted order may be placed at, where its client named them.
ALTER TABLE orders.pending_placements ADD COLUMN price_guard JSONB;
