//! The table `orders.notifications`: what stands in it, and what comes of reports and wishes.

use crate::notifications::domain::log::{Notification, Texts};
use crate::notifications::domain::rules::{Contact, ERASED, NewNotification};
use crate::notifications::domain::{Channel, Kind, Status};
use service_kit::invariants::Invariant;
use shared_types::OrderId;
use sqlx::{PgConnection, PgExecutor, PgPool};
use std::collections::HashMap;
use std::fmt::Display;
use time::OffsetDateTime;
use uuid::Uuid;

pub mod queue;
pub mod reports;

/// What must hold in the table at every moment, beside its CHECK constraints.
pub const INVARIANTS: &[Invariant] = &[];

/// A row as the lists have it.
struct Row {
    id: i64,
    order_id: Option<i64>,
    event_id: Uuid,
    kind: String,
    channel: String,
    recipient: Option<String>,
    status: String,
    reason: Option<String>,
    attempts: i32,
    last_error: Option<String>,
    provider_id: Option<String>,
    resends: i32,
    created_at: OffsetDateTime,
    next_attempt_at: Option<OffsetDateTime>,
    sent_at: Option<OffsetDateTime>,
    delivered_at: Option<OffsetDateTime>,
    erased_at: Option<OffsetDateTime>,
    version: i64,
}

/// A row with everything.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the lists show.
    pub notification: Notification,
    /// What the order does not hold, in JSON.
    pub facts: Option<String>,
    /// The texts, once it was sent.
    pub texts: Texts,
}

/// A name as the column has it; the CHECK constraint allows no other.
fn named<T: std::str::FromStr<Err: Display + std::error::Error + Send + Sync + 'static>>(
    text: &str,
) -> Result<T, sqlx::Error> {
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

impl TryFrom<Row> for Notification {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.id,
            order_id: row.order_id.map(OrderId),
            event_id: row.event_id,
            kind: named(&row.kind)?,
            channel: named(&row.channel)?,
            recipient: row.recipient,
            status: named(&row.status)?,
            reason: row.reason,
            attempts: row.attempts,
            last_error: row.last_error,
            provider_id: row.provider_id,
            resends: row.resends,
            created_at: row.created_at,
            next_attempt_at: row.next_attempt_at,
            sent_at: row.sent_at,
            delivered_at: row.delivered_at,
            erased_at: row.erased_at,
            version: row.version,
        })
    }
}

/// How the customers of the orders are reached. An order that does not exist is missing.
pub async fn contacts(conn: &mut PgConnection, ids: &[OrderId]) -> Result<HashMap<OrderId, Contact>, sqlx::Error> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"SELECT id, customer_email, customer_phone, total_amount IS NOT NULL AS "placed!"
           FROM orders.orders WHERE id = ANY($1)"#,
        &ids
    )
    .fetch_all(conn)
    .await?;
    let contact = |email, phone, placed| Contact { email, phone, placed };
    Ok(rows
        .into_iter()
        .map(|row| (OrderId(row.id), contact(row.customer_email, row.customer_phone, row.placed)))
        .collect())
}

/// Writes the messages. One that is there already fails on `notifications_once`.
pub async fn insert(conn: &mut PgConnection, rows: &[NewNotification]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let events: Vec<Uuid> = rows.iter().map(|row| row.event_id).collect();
    let orders: Vec<Option<i64>> = rows.iter().map(|row| row.order_id.map(|id| id.0)).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    let channels: Vec<&str> = rows.iter().map(|row| row.channel.as_str()).collect();
    let recipients: Vec<Option<&str>> = rows.iter().map(|row| row.recipient.as_deref()).collect();
    let statuses: Vec<&str> = rows.iter().map(|row| row.status.as_str()).collect();
    let reasons: Vec<Option<&str>> = rows.iter().map(|row| row.reason.as_deref()).collect();
    let facts: Vec<Option<&str>> = rows.iter().map(|row| row.facts.as_deref()).collect();
    sqlx::query!(
        "INSERT INTO orders.notifications
                (event_id, order_id, kind, channel, recipient, status, reason, facts, next_attempt_at)
         SELECT event_id, order_id, kind, channel, recipient, status, reason, facts::jsonb,
                CASE WHEN status = 'QUEUED' THEN statement_timestamp() END
         FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
              WITH ORDINALITY
              AS n (event_id, order_id, kind, channel, recipient, status, reason, facts, position)
         ORDER BY position",
        &events,
        &orders as &[Option<i64>],
        &kinds as &[&str],
        &channels as &[&str],
        &recipients as &[Option<&str>],
        &statuses as &[&str],
        &reasons as &[Option<&str>],
        &facts as &[Option<&str>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A page of the log, newest first.
pub async fn list(pool: &PgPool, before: Option<i64>, limit: i64) -> Result<Vec<Notification>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, order_id, event_id, kind, channel, recipient, status, reason, attempts, last_error, provider_id,
                resends, created_at, next_attempt_at, sent_at, delivered_at, erased_at, version
         FROM orders.notifications WHERE id < COALESCE($1, 9223372036854775807) ORDER BY id DESC LIMIT $2",
        before,
        limit
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Notification::try_from).collect()
}

/// A page of what has come to a status, newest first.
pub async fn list_by_status(
    pool: &PgPool,
    status: Status,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Notification>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, order_id, event_id, kind, channel, recipient, status, reason, attempts, last_error, provider_id,
                resends, created_at, next_attempt_at, sent_at, delivered_at, erased_at, version
         FROM orders.notifications WHERE status = $1 AND id < COALESCE($2, 9223372036854775807)
         ORDER BY id DESC LIMIT $3",
        status.as_str(),
        before,
        limit
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Notification::try_from).collect()
}

/// All messages about an order, oldest first: there are few, as an order has few statuses.
pub async fn of_order(pool: &PgPool, order: OrderId) -> Result<Vec<Notification>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, order_id, event_id, kind, channel, recipient, status, reason, attempts, last_error, provider_id,
                resends, created_at, next_attempt_at, sent_at, delivered_at, erased_at, version
         FROM orders.notifications WHERE order_id = $1 ORDER BY id",
        order.0
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Notification::try_from).collect()
}

/// One message with its texts.
pub async fn find(db: impl PgExecutor<'_>, id: i64) -> Result<Option<Entry>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT id, order_id, event_id, kind, channel, recipient, status, reason, attempts, last_error, provider_id,
                  resends, created_at, next_attempt_at, sent_at, delivered_at, erased_at, version,
                  facts::text AS facts, subject, body_text, body_html
           FROM orders.notifications WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let notification = Notification {
        id: row.id,
        order_id: row.order_id.map(OrderId),
        event_id: row.event_id,
        kind: named::<Kind>(&row.kind)?,
        channel: named::<Channel>(&row.channel)?,
        recipient: row.recipient,
        status: named::<Status>(&row.status)?,
        reason: row.reason,
        attempts: row.attempts,
        last_error: row.last_error,
        provider_id: row.provider_id,
        resends: row.resends,
        created_at: row.created_at,
        next_attempt_at: row.next_attempt_at,
        sent_at: row.sent_at,
        delivered_at: row.delivered_at,
        erased_at: row.erased_at,
        version: row.version,
    };
    let texts = Texts { subject: row.subject, text: row.body_text, html: row.body_html };
    Ok(Some(Entry { notification, facts: row.facts, texts }))
}

/// Erases who was written to and what, in all messages about the orders of a customer, whatever the case of the
/// address; what waits to be sent is not sent any more. Gives how many messages it was.
pub async fn erase(conn: &mut PgConnection, customer_email: &str) -> Result<u64, sqlx::Error> {
    let erased = sqlx::query!(
        "UPDATE orders.notifications n
         SET recipient = NULL, facts = NULL, subject = NULL, body_text = NULL, body_html = NULL, last_error = NULL,
             reason = CASE WHEN n.status = 'QUEUED' THEN $2 ELSE n.reason END,
             status = CASE WHEN n.status = 'QUEUED' THEN 'SKIPPED' ELSE n.status END,
             next_attempt_at = NULL, erased_at = clock_timestamp()
         WHERE n.order_id = ANY(ARRAY(
                   SELECT o.id FROM orders.buckets CROSS JOIN LATERAL (
                       SELECT id FROM orders.orders
                       WHERE orders.bucket(id) = bucket AND lower(customer_email) = lower($1) OFFSET 0) o))
           AND n.erased_at IS NULL",
        customer_email,
        ERASED
    )
    .execute(conn)
    .await?;
    Ok(erased.rows_affected())
}
