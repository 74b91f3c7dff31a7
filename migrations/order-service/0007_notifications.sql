-- What customers and the shop are told: one row for each event, channel and recipient, written in the transaction of
-- the inbox row of the event. Whoever sends claims rows by moving `next_attempt_at` on first, as with placements.
--
-- Rows come in by the thousand a second. So there is no foreign key: it would lock the row of each order, and rows are
-- made by reading the order, which is never deleted.
CREATE TABLE orders.notifications (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        UUID NOT NULL,
    order_id        BIGINT,
    kind            TEXT NOT NULL CONSTRAINT notifications_kind CHECK (kind IN (
                        'order-placed', 'order-confirmed', 'order-shipped', 'order-delivered', 'order-cancelled',
                        'placement-given-up', 'stock-low', 'stock-replenished')),
    channel         TEXT NOT NULL CONSTRAINT notifications_channel CHECK (channel IN ('EMAIL', 'SMS')),
    recipient       TEXT,
    status          TEXT NOT NULL CONSTRAINT notifications_status
                    CHECK (status IN ('QUEUED', 'SENT', 'DELIVERED', 'FAILED', 'SKIPPED')),
    reason          TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    provider_id     TEXT,
    facts           JSONB,
    resends         INTEGER NOT NULL DEFAULT 0,
    subject         TEXT,
    body_text       TEXT,
    body_html       TEXT,
    next_attempt_at TIMESTAMPTZ,
    sent_at         TIMESTAMPTZ,
    delivered_at    TIMESTAMPTZ,
    erased_at       TIMESTAMPTZ,
    version         BIGINT NOT NULL DEFAULT 1,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    updated_at      TIMESTAMPTZ NOT NULL DEFAULT statement_timestamp(),
    -- Begins with the order because it also serves `of_order` and `erase` in order-service/src/store/notifications.rs; an
    -- event is about one order, so that what is unique is event, channel and recipient.
    CONSTRAINT notifications_once UNIQUE NULLS NOT DISTINCT (order_id, event_id, channel, recipient),
    CONSTRAINT notifications_queued_have_a_time CHECK ((status = 'QUEUED') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT notifications_queued_have_a_recipient CHECK (status <> 'QUEUED' OR recipient IS NOT NULL),
    CONSTRAINT notifications_erased CHECK (
        erased_at IS NULL OR num_nonnulls(recipient, facts, subject, body_text, body_html, last_error) = 0)
);

-- `claim` and `count_queued` in order-service/src/store/notifications/queue.rs.
CREATE INDEX notifications_queued ON orders.notifications (channel, next_attempt_at) WHERE status = 'QUEUED';
-- `list_by_status` in order-service/src/store/notifications.rs.
CREATE INDEX notifications_by_status ON orders.notifications (status, id);
-- `report` in order-service/src/store/notifications/reports.rs.
CREATE INDEX notifications_by_provider_id ON orders.notifications (provider_id) WHERE provider_id IS NOT NULL;

CREATE TRIGGER notifications_touch BEFORE UPDATE ON orders.notifications
    FOR EACH ROW EXECUTE FUNCTION orders.touch_row();
