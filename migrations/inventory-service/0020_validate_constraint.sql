-- Looks at every row, beside those who read and write them: in a migration of its own, so that no stronger lock is held.
ALTER TABLE inventory.stock_movements VALIDATE CONSTRAINT stock_movements_first_range;

-- Which number was the last one when a day (UTC) began, or was first looked at: movements have no index of their time, and
-- `inventory.add_movement_ranges` asks how many there were in thirty days. It writes a row a day.
CREATE TABLE inventory.movement_days (
    day     DATE PRIMARY KEY,
    last_id BIGINT NOT NULL
);

-- Once, they are counted.
INSERT INTO inventory.movement_days (day, last_id)
SELECT (created_at AT TIME ZONE 'UTC')::date, min(id) - 1 FROM inventory.stock_movements
WHERE created_at >= date_trunc('day', now(), 'UTC') - INTERVAL '30 days' GROUP BY 1;
