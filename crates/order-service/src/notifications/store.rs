//! The table `orders.notifications`: what stands in it, and what comes of reports and wishes.

use crate::notifications::domain::log::{Kept, Notification};
use crate::notifications::domain::rules::{ERASED, NewNotification};
use crate::notifications::domain::texts::Texts;
use crate::notifications::domain::{Channel, Kind, Status};
use service_kit::invariants::Invariant;
use service_kit::{read_columns, written_columns};
use shared_types::OrderId;
use sqlx::{FromRow, PgConnection, PgExecutor};
use std::fmt::Display;
use std::sync::LazyLock;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// The column `placed_data` of a message: that the order is confirmed is told without its lines, which the event of its
/// placing named.
macro_rules! placed_data {
    ($row:literal) => {
        concat!(
            "CASE ",
            $row,
            ".kind WHEN 'order-confirmed' THEN (SELECT orders.data_of(p) FROM orders.notifications p WHERE p.order_id = ",
            $row,
            ".order_id AND p.kind = 'order-placed' AND p.erased_at IS NULL LIMIT 1) END AS placed_data"
        )
    };
}

pub mod erasures;
pub mod months;
pub mod queue;
pub mod reports;

/// What must hold in the table at every moment, beside its CHECK constraints.
pub const INVARIANTS: &[Invariant] = &[];

read_columns! {
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
}

/// A row with everything.
#[derive(FromRow)]
struct WholeRow {
    #[sqlx(flatten)]
    row: Row,
    traceparent: Option<String>,
    customer_email: Option<String>,
    data: Option<String>,
    placed_data: Option<String>,
    subject: Option<String>,
    body_text: Option<String>,
    body_html: Option<String>,
}

written_columns! {
    /// A row to be.
    struct NewRow<'a> {
        event_id: Uuid = "uuid",
        order_id: Option<i64> = "bigint",
        kind: &'a str = "text",
        channel: &'a str = "text",
        recipient: Option<&'a str> = "text",
        customer_email: Option<&'a str> = "text",
        status: &'a str = "text",
        reason: Option<&'a str> = "text",
        data: Option<&'a str> = "text",
        traceparent: Option<&'a str> = "text",
    }
}

/// A message with everything.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the lists show.
    pub notification: Notification,
    /// Trace context of its event, where the trace is recorded.
    pub traceparent: Option<String>,
    /// Whose message it is.
    pub customer_email: Option<String>,
    /// The data of its event, in JSON.
    pub kept: Kept,
    /// The texts, once it was sent.
    pub texts: Texts,
}

/// A name as the column has it.
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
        })
    }
}

/// How long a message waits that follows another one about its order: several instances consume events, and the one
/// with the earlier event may be a moment behind.
const FOLLOWER_WAITS: Duration = Duration::from_secs(1);

/// Instances of the build before, which run beside this one during an update, read `facts` of what is about no order.
static INSERT: LazyLock<String> = LazyLock::new(|| {
    let (columns, arrays) = (NewRow::columns(), NewRow::arrays(2));
    format!(
        "INSERT INTO orders.notifications ({columns}, facts, next_attempt_at)
         SELECT {columns}, CASE WHEN order_id IS NULL THEN data::jsonb END, CASE WHEN status = 'QUEUED' THEN statement_timestamp() + wait * INTERVAL '1 second' END
         FROM unnest({arrays}, $1::bigint[]) WITH ORDINALITY AS n ({columns}, wait, position) ORDER BY position"
    )
});

/// Writes the messages. One that is there already fails on `notifications_once`.
pub async fn insert(conn: &mut PgConnection, messages: &[NewNotification]) -> Result<(), sqlx::Error> {
    if messages.is_empty() {
        return Ok(());
    }
    let rows: Vec<NewRow<'_>> = messages.iter().map(new_row).collect();
    let wait = |message: &NewNotification| if message.kind.follows_another() { FOLLOWER_WAITS.as_secs() } else { 0 };
    let waits: Vec<i64> = messages.iter().map(|message| wait(message).cast_signed()).collect();
    NewRow::bind(&rows, sqlx::query(INSERT.as_str()).bind(waits)).execute(conn).await?;
    Ok(())
}

fn new_row(message: &NewNotification) -> NewRow<'_> {
    // The function `orders.data_of` finds it once it is needed: in the e-mail about the same event, or in the order.
    let is_elsewhere = message.order_id.is_some()
        && (message.channel == Channel::Sms || message.status == Status::Skipped && message.is_in_order);
    NewRow {
        event_id: message.event_id,
        order_id: message.order_id.map(|id| id.0),
        kind: message.kind.as_str(),
        channel: message.channel.as_str(),
        recipient: message.recipient.as_deref(),
        customer_email: message.customer_email.as_deref(),
        status: message.status.as_str(),
        reason: message.reason.as_deref(),
        data: (!is_elsewhere).then_some(&message.data),
        traceparent: message.traceparent.as_deref(),
    }
}

fn select() -> String {
    format!("SELECT {} FROM orders.notifications n", Row::select("n"))
}

fn notifications(rows: Vec<Row>) -> Result<Vec<Notification>, sqlx::Error> {
    rows.into_iter().map(Notification::try_from).collect()
}

static LIST: LazyLock<String> = LazyLock::new(|| {
    format!("{} WHERE n.id < COALESCE($1, 9223372036854775807) ORDER BY n.id DESC LIMIT $2", select())
});

/// A page of the log, newest first.
pub async fn list(db: impl PgExecutor<'_>, before: Option<i64>, limit: i64) -> Result<Vec<Notification>, sqlx::Error> {
    notifications(sqlx::query_as(LIST.as_str()).bind(before).bind(limit).fetch_all(db).await?)
}

static LIST_BY_STATUS: LazyLock<String> = LazyLock::new(|| {
    let before = "n.id < COALESCE($2, 9223372036854775807)";
    format!("{} WHERE n.status = ANY($1) AND {before} ORDER BY n.status DESC, n.id DESC LIMIT $3", select())
});

/// A page of what has come to a status, newest first. The status leads the order, so that no other index gives it: by number
/// alone the primary key does, and leads through all messages to the few of a rare status.
pub async fn list_by_status(
    db: impl PgExecutor<'_>,
    status: Status,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Notification>, sqlx::Error> {
    let query = sqlx::query_as(LIST_BY_STATUS.as_str()).bind([status.as_str()]);
    notifications(query.bind(before).bind(limit).fetch_all(db).await?)
}

static OF_ORDER: LazyLock<String> =
    LazyLock::new(|| format!("{} WHERE n.order_id = $1 ORDER BY n.event_id, n.id", select()));

/// All messages about an order, in the order of its events: there are few, as an order has few statuses. Rows come from several
/// queues, so their numbers do not say what happened first.
pub async fn of_order(db: impl PgExecutor<'_>, order: OrderId) -> Result<Vec<Notification>, sqlx::Error> {
    notifications(sqlx::query_as(OF_ORDER.as_str()).bind(order.0).fetch_all(db).await?)
}

static FIND: LazyLock<String> = LazyLock::new(|| {
    let whole = "n.traceparent, n.customer_email, orders.data_of(n) AS data, n.subject, n.body_text, n.body_html";
    let placed = placed_data!("n");
    format!("SELECT {}, {whole}, {placed} FROM orders.notifications n WHERE n.id = $1", Row::select("n"))
});

/// One message with everything.
pub async fn find(db: impl PgExecutor<'_>, id: i64) -> Result<Option<Entry>, sqlx::Error> {
    let row: Option<WholeRow> = sqlx::query_as(FIND.as_str()).bind(id).fetch_optional(db).await?;
    let Some(row) = row else { return Ok(None) };
    let texts = Texts { subject: row.subject, text: row.body_text, html: row.body_html };
    let (notification, customer_email, traceparent) = (row.row.try_into()?, row.customer_email, row.traceparent);
    let kept = Kept { data: row.data, placed_data: row.placed_data };
    Ok(Some(Entry { notification, traceparent, customer_email, kept, texts }))
}

/// The orders as events of this build would tell of them, in JSON, for events that name no customer.
///
/// The one look at what is not this module's, by a function of the database: what earlier builds told of an order is
/// nowhere else.
pub async fn orders_as_told(conn: &mut PgConnection, orders: &[OrderId]) -> Result<Vec<String>, sqlx::Error> {
    let ids: Vec<i64> = orders.iter().map(|id| id.0).collect();
    sqlx::query_scalar!(
        r#"SELECT told::text AS "told!"
           FROM unnest($1::bigint[]) AS o (id) CROSS JOIN LATERAL orders.order_as_told(o.id) AS told
           WHERE told IS NOT NULL"#,
        &ids
    )
    .fetch_all(conn)
    .await
}

/// Erases who was written to and what, in all messages about the orders and in those to the address of this key that are
/// about no order; what waits to be sent is not sent any more. Gives how many messages it was.
///
/// Of a message that was written again, as where its event came again after it was erased, one row stays: `notifications_once`
/// takes rows without a recipient for the same.
pub async fn erase(conn: &mut PgConnection, orders: &[OrderId], address_key: &str) -> Result<u64, sqlx::Error> {
    let ids: Vec<i64> = orders.iter().map(|id| id.0).collect();
    let erased = sqlx::query_scalar!(
        r#"WITH theirs AS (
             SELECT n.* FROM unnest($1::bigint[]) AS o (id) CROSS JOIN LATERAL (
                 SELECT id, order_id, event_id, channel FROM orders.notifications
                 WHERE order_id = o.id AND erased_at IS NULL OFFSET 0) n
             UNION ALL
             SELECT id, order_id, event_id, channel FROM orders.notifications
             WHERE order_id IS NULL AND customer_email = $3 AND erased_at IS NULL
         ), numbered AS MATERIALIZED (
             SELECT *, row_number() OVER (PARTITION BY order_id, event_id, channel ORDER BY id) AS copy FROM theirs
         ), again AS MATERIALIZED (
             SELECT id FROM numbered t
             WHERE copy > 1
                OR EXISTS (SELECT FROM orders.notifications e WHERE e.order_id = t.order_id AND e.event_id = t.event_id
                           AND e.channel = t.channel AND e.erased_at IS NOT NULL)
                OR t.order_id IS NULL
                   AND EXISTS (SELECT FROM orders.notifications e WHERE e.order_id IS NULL AND e.event_id = t.event_id
                               AND e.channel = t.channel AND e.erased_at IS NOT NULL)
         ), deleted AS (
             DELETE FROM orders.notifications n
             WHERE n.id = ANY(ARRAY(SELECT id FROM again)) AND n.erased_at IS NULL RETURNING n.id
         ), erased AS (
             UPDATE orders.notifications n
             SET recipient = NULL, customer_email = NULL, data = NULL, facts = NULL, subject = NULL, body_text = NULL,
                 body_html = NULL, last_error = NULL,
                 reason = CASE WHEN n.status = 'QUEUED' THEN $2 ELSE n.reason END,
                 status = CASE WHEN n.status = 'QUEUED' THEN 'SKIPPED' ELSE n.status END,
                 next_attempt_at = NULL, erased_at = clock_timestamp()
             WHERE n.id = ANY(ARRAY(SELECT id FROM numbered EXCEPT ALL SELECT id FROM again)) AND n.erased_at IS NULL
             RETURNING n.id
         )
         SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM erased) AS "erased!""#,
        &ids,
        ERASED,
        address_key
    )
    .fetch_one(conn)
    .await?;
    Ok(erased.unsigned_abs())
}
