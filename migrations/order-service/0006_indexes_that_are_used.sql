-- Every index is paid for by every order, so what no statement looks for is dropped: lines and entries of the timeline
-- are read by their order, never by their own number.

ALTER TABLE orders.order_items
    DROP CONSTRAINT order_items_pkey,
    DROP CONSTRAINT order_items_product_once,
    ADD CONSTRAINT order_items_product_once PRIMARY KEY (order_id, product_id);

DROP INDEX orders.order_status_history_of_order;
ALTER TABLE orders.order_status_history
    DROP CONSTRAINT order_status_history_pkey,
    ADD PRIMARY KEY (order_id, id);

-- Old rows are looked for once an hour only, and lie together: `Inbox::expire`.
DROP INDEX orders.inbox_received_at;
CREATE INDEX inbox_received_at ON orders.inbox USING brin (received_at) WITH (autosummarize = on);
