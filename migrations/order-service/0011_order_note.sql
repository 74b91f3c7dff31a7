-- What the customer wants the shop to know, as far as somebody said so. It can be changed until the order is shipped.
-- All rows are looked at in 0014_validate_constraints.sql, while orders are placed.
ALTER TABLE orders.orders
    ADD COLUMN note TEXT,
    ADD CONSTRAINT orders_note_length CHECK (char_length(note) BETWEEN 1 AND 500) NOT VALID;
