-- Every index is paid for by every order, so what no statement looks for is dropped: movements are read by their
-- product, newest first, never by their own number.

DROP INDEX inventory.stock_movements_of_product;
ALTER TABLE inventory.stock_movements
    DROP CONSTRAINT stock_movements_pkey,
    ADD PRIMARY KEY (product_id, id);

-- Old rows are looked for once an hour only, and lie together: `Inbox::expire`.
DROP INDEX inventory.inbox_received_at;
CREATE INDEX inbox_received_at ON inventory.inbox USING brin (received_at) WITH (autosummarize = on);
