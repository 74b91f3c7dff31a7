-- What the customer wants the shop to know, as far as somebody said so. It can be changed until the order is shipped.
ALTER TABLE orders.orders
    ADD COLUMN note TEXT CONSTRAINT orders_note_length CHECK (char_length(note) BETWEEN 1 AND 500);
