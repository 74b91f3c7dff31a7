-- Who moved the stock, where somebody did: NULL where a reservation did, and for movements from before.
ALTER TABLE inventory.stock_movements ADD COLUMN actor TEXT;
