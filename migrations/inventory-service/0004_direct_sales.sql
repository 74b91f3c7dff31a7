-- Reservations that were made and committed at once, without an order: who compares reservations with orders must
-- not look for one.
ALTER TABLE inventory.reservations ADD COLUMN direct BOOLEAN NOT NULL DEFAULT FALSE;
