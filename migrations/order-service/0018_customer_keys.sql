-- What customers are found by is their address in lower-case ASCII, or the key beside it: where an address has other
-- letters, or a domain beyond ASCII, the service writes what it is compared by. Nearly all have none. It does not depend on
-- the locale of the database. The service completes the rows of earlier builds.
ALTER TABLE orders.orders ADD COLUMN IF NOT EXISTS customer_key TEXT;
