//! The table `orders.pending_placements`, and the statements that place what was accepted, a whole batch at a time.
//!
//! The queue is empty most of the time, and full at once: how that shows in them stands in docs/locks-and-plans.md,
//! "Statements and their plans".

use super::find_all;
use crate::orders::domain::{Order, OrderItem, PriceGuard};
use crate::orders::explain::Accepted;
use rust_decimal::Decimal;
use service_kit::access::Scope;
use service_kit::work_queue::{Backoff, Claimed, Table};
use shared_types::reservations::ReservationLine;
use shared_types::{Money, OrderId, ProductId, Reference};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use std::collections::HashMap;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// The queue of accepted orders.
pub const QUEUE: Table = Table {
    name: "orders.pending_placements",
    key: "order_id",
    due: "TRUE",
    columns: "q.traceparent",
    give_up_at: Some("give_up_at"),
};

/// How long an order waits after an attempt in vain.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), factor: 2, longest: Duration::from_secs(30), jitter_percent: 50 };

/// What a claim gives of an accepted order.
#[derive(Clone, PartialEq, Eq, Debug, FromRow)]
pub struct Queued {
    /// Trace context of the request.
    pub traceparent: Option<String>,
}

/// An accepted order that one worker is to place now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueOrder {
    pub id: OrderId,
    /// Its reference, under which its stock is held.
    pub reference: Reference,
    pub lines: Vec<ReservationLine>,
    /// Trace context of the request.
    pub traceparent: Option<String>,
}

/// An accepted order that is neither placed nor cancelled, locked until the end of the transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnplacedOrder {
    pub order: Order,
    /// Trace context of the request.
    pub traceparent: Option<String>,
    /// Whole seconds since it was accepted.
    pub waited: i64,
    /// Whether it has waited for as long as it may.
    pub overdue: bool,
    /// The prices it may be placed at, where the client said so.
    pub guard: Option<PriceGuard>,
}

/// An accepted order to be queued.
#[derive(Clone, Copy, Debug)]
pub struct NewQueued<'a> {
    pub id: OrderId,
    /// Trace context of the request.
    pub traceparent: Option<&'a str>,
    /// The prices it may be placed at, where the client says so.
    pub guard: Option<&'a PriceGuard>,
}

/// What an accepted order gets when its stock is held.
#[derive(Clone, Debug)]
pub struct PlacedTotal {
    pub id: OrderId,
    /// Sum of its lines.
    pub total_amount: Money,
    /// By when, on the database's clock, it must be written, if there is such a time.
    pub deadline: Option<OffsetDateTime>,
}

/// Queues accepted orders; they are due at once.
pub async fn insert(
    conn: &mut PgConnection,
    orders: &[NewQueued<'_>],
    give_up_after: Duration,
) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = orders.iter().map(|order| order.id.0).collect();
    let traceparents: Vec<Option<&str>> = orders.iter().map(|order| order.traceparent).collect();
    let guards: Vec<Option<Json<&PriceGuard>>> = orders.iter().map(|order| order.guard.map(Json)).collect();
    sqlx::query!(
        "INSERT INTO orders.pending_placements (order_id, give_up_at, traceparent, price_guard)
         SELECT id, clock_timestamp() + $3::bigint * INTERVAL '1 millisecond', traceparent, price_guard
         FROM unnest($1::bigint[], $2::text[], $4::jsonb[]) AS n (id, traceparent, price_guard)",
        &ids,
        &traceparents as &[Option<&str>],
        milliseconds(give_up_after),
        &guards as &[Option<Json<&PriceGuard>>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A line of an accepted order.
struct Line {
    id: i64,
    reference: Uuid,
    product_id: i64,
    quantity: i32,
}

/// The claimed orders with what is ordered. Read by a statement of its own, see "Statements and their plans".
pub async fn due(db: impl PgExecutor<'_>, claimed: Vec<Claimed<Queued>>) -> Result<Vec<DueOrder>, sqlx::Error> {
    let ids: Vec<i64> = claimed.iter().map(|claimed| claimed.key).collect();
    let mut traceparents: HashMap<i64, _> = claimed.into_iter().map(|it| (it.key, it.work.traceparent)).collect();
    let lines = sqlx::query_as!(
        Line,
        "SELECT o.id, o.reference, i.product_id, i.quantity
         FROM orders.orders o
         CROSS JOIN LATERAL (SELECT product_id, quantity FROM orders.order_items WHERE order_id = o.id OFFSET 0) i
         WHERE o.id = ANY($1) ORDER BY o.id, i.product_id",
        &ids
    )
    .fetch_all(db)
    .await?;
    let due = lines.chunk_by(|one, other| one.id == other.id).filter_map(|lines| {
        let order = lines.first()?;
        let line = |line: &Line| ReservationLine { product_id: ProductId(line.product_id), quantity: line.quantity };
        Some(DueOrder {
            id: OrderId(order.id),
            reference: Reference(order.reference),
            lines: lines.iter().map(line).collect(),
            traceparent: traceparents.remove(&order.id).flatten(),
        })
    });
    Ok(due.collect())
}

/// Locks those of the orders that are neither placed nor cancelled, in the order of their numbers, and reads them.
pub async fn lock_unplaced(
    conn: &mut PgConnection,
    scope: Scope,
    ids: &[OrderId],
) -> Result<Vec<UnplacedOrder>, sqlx::Error> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let locked = sqlx::query!(
        r#"SELECT o.id, p.traceparent, p.price_guard AS "price_guard: Json<PriceGuard>",
                  EXTRACT(EPOCH FROM clock_timestamp() - o.created_at)::bigint AS "waited!",
                  clock_timestamp() >= p.give_up_at AS "overdue!"
           FROM orders.orders o
           CROSS JOIN LATERAL (SELECT traceparent, give_up_at, price_guard FROM orders.pending_placements
                               WHERE order_id = o.id OFFSET 0) p
           WHERE o.id = ANY($1) AND CASE o.status WHEN 'PENDING' THEN o.total_amount IS NULL ELSE FALSE END
           ORDER BY o.id FOR UPDATE OF o"#,
        &ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<OrderId> = locked.iter().map(|row| OrderId(row.id)).collect();
    let orders = find_all(conn, scope, &ids).await?;
    let unplaced = locked.into_iter().zip(orders).map(|(row, order)| UnplacedOrder {
        order,
        traceparent: row.traceparent,
        waited: row.waited,
        overdue: row.overdue,
        guard: row.price_guard.map(|guard| guard.0),
    });
    Ok(unplaced.collect())
}

/// Gives locked orders their totals, except those whose deadline has passed; gives which were in time.
///
/// The deadline is checked in the statement that writes, so that settling can wait for it as for a new order. It lets a plan
/// expect so few rows that it looks for each by itself, and of two empty indexes may take one that begins with something else:
/// so the join is on a sum, which has no index.
pub async fn set_totals(conn: &mut PgConnection, fillings: &[PlacedTotal]) -> Result<Vec<OrderId>, sqlx::Error> {
    let ids: Vec<i64> = fillings.iter().map(|filling| filling.id.0).collect();
    let totals: Vec<Decimal> = fillings.iter().map(|filling| filling.total_amount.decimal()).collect();
    let deadlines: Vec<Option<OffsetDateTime>> = fillings.iter().map(|filling| filling.deadline).collect();
    let filled = sqlx::query_scalar!(
        "UPDATE orders.orders o SET total_amount = n.total, version = o.version + 1, updated_at = clock_timestamp()
         FROM unnest($1::bigint[], $2::numeric[], $3::timestamptz[]) AS n (id, total, deadline)
         WHERE o.id = ANY($1) AND o.id + 0 = n.id AND clock_timestamp() < COALESCE(n.deadline, 'infinity')
         RETURNING o.id",
        &ids,
        &totals,
        &deadlines as &[Option<OffsetDateTime>]
    )
    .fetch_all(conn)
    .await?;
    Ok(filled.into_iter().map(OrderId).collect())
}

/// Gives the lines of locked orders their names and prices.
pub async fn set_prices(conn: &mut PgConnection, items: &[(OrderId, OrderItem)]) -> Result<(), sqlx::Error> {
    let orders: Vec<i64> = items.iter().map(|(order, _)| order.0).collect();
    let products: Vec<i64> = items.iter().map(|(_, item)| item.product_id.0).collect();
    let names: Vec<Option<String>> = items.iter().map(|(_, item)| item.product_name.clone()).collect();
    let prices: Vec<Option<Decimal>> = items.iter().map(|(_, item)| item.price.map(Money::decimal)).collect();
    let subtotals: Vec<Option<Decimal>> = items.iter().map(|(_, item)| item.subtotal.map(Money::decimal)).collect();
    sqlx::query!(
        "UPDATE orders.order_items i SET product_name = n.name, price = n.price, subtotal = n.subtotal
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::numeric[], $5::numeric[])
              AS n (order_id, product_id, name, price, subtotal)
         WHERE i.order_id = ANY($1) AND i.order_id = n.order_id AND i.product_id = n.product_id",
        &orders,
        &products,
        &names as &[Option<String>],
        &prices as &[Option<Decimal>],
        &subtotals as &[Option<Decimal>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts locked orders off. Nobody waits beyond the moment of giving up.
pub async fn put_off(conn: &mut PgConnection, ids: &[OrderId]) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    if ids.is_empty() { Ok(()) } else { QUEUE.put_off(conn, &ids, BACKOFF).await }
}

/// Takes locked orders off the queue.
pub async fn remove(conn: &mut PgConnection, ids: &[OrderId]) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    sqlx::query!("DELETE FROM orders.pending_placements WHERE order_id = ANY($1)", &ids).execute(conn).await?;
    Ok(())
}

/// The place of an order in the queue, if it waits to be placed.
pub async fn place_of(db: impl PgExecutor<'_>, id: OrderId) -> Result<Option<Accepted>, sqlx::Error> {
    sqlx::query_as!(
        Accepted,
        "SELECT attempts, next_attempt_at, give_up_at, traceparent FROM orders.pending_placements WHERE order_id = $1",
        id.0
    )
    .fetch_optional(db)
    .await
}

/// How many accepted orders wait to be placed.
pub async fn count(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT COUNT(*) AS "count!" FROM orders.pending_placements"#).fetch_one(conn).await
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
