-- What there is of notifications becomes their first partition in 0043_months_of_notifications.sql. Here its bound is written
-- down, which holds nobody up: that of the rows to come while this goes on. 0042_validate_constraints.sql looks at the rows.
DO $$
BEGIN
    EXECUTE format('ALTER TABLE orders.notifications ADD CONSTRAINT notifications_first_months CHECK (event_id < %L) NOT VALID',
                   orders.first_reference(date_trunc('month', now(), 'UTC') + INTERVAL '2 months'));
END
$$;
