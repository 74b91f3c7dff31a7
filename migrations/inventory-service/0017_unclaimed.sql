-- Whether a call committed it by hand, and order-service has not said since that there is an order. Where there is none, the
-- stock goes back when the term is over, as that of a reservation that is HELD.
ALTER TABLE inventory.reservations ADD COLUMN unclaimed BOOLEAN NOT NULL DEFAULT FALSE;

-- For `list_unclaimed_before` in inventory-service/src/reservations/store/lists.rs.
CREATE INDEX reservations_unclaimed ON inventory.reservations (created_at, id) WHERE unclaimed;
