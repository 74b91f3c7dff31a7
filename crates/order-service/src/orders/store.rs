//! The tables `orders.orders`, `orders.order_items` and `orders.order_status_history`.
//!
//! Each `UPDATE` of an order says itself that it counts `version` up, the ETag, and when. The trigger `orders_touch` does so
//! for changes by hand only: for thousands of orders a second its call would cost more than the condition.

use crate::orders::domain::{Explanation, Order, TimelineEntry};
use service_kit::access::Scope;
use shared_types::{OrderId, OrderStatus, Reference};
use sqlx::{PgConnection, PgExecutor, PgPool, QueryBuilder};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use time::OffsetDateTime;
use uuid::Uuid;

pub mod accepted;
pub mod customer_keys;
pub mod guests;
pub mod invariants;
pub mod lost_stock;
pub mod placing;
mod rows;

pub use rows::{Inserted, NewOrderRow};
use rows::{ItemRow, LineRow, OrderRow, status};

/// Which orders a list is of; nothing set means all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only the one with this number.
    pub id: Option<OrderId>,
    /// Only of this status.
    pub status: Option<OrderStatus>,
    /// Only of the customer whose address has this key.
    pub customer_key: Option<String>,
    /// Only from this time on.
    pub created_from: Option<OffsetDateTime>,
    /// Only before this time.
    pub created_to: Option<OffsetDateTime>,
    /// Only the one with this reference.
    pub reference: Option<Reference>,
}

/// A status an order comes to.
#[derive(Clone, Debug)]
pub struct NewStatus {
    pub id: OrderId,
    pub status: OrderStatus,
    pub actor: &'static str,
    pub explanation: Explanation,
}

/// Reads the orders of `source`, a table or a query in brackets, each line beside its order.
fn select_from(source: &str) -> String {
    let (order, item) = (OrderRow::select("o"), ItemRow::select("i"));
    format!(
        "SELECT {order}, {item} FROM {source} o
         CROSS JOIN LATERAL (SELECT id AS item_id, product_id, product_name, quantity, price, subtotal
                             FROM orders.order_items WHERE order_id = o.id OFFSET 0) i"
    )
}

static FIND: LazyLock<String> =
    LazyLock::new(|| format!("{} WHERE o.id = ANY($1) ORDER BY o.id, i.product_id", select_from("orders.orders")));

/// One order with its lines, if the scope has it.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, id: OrderId) -> Result<Option<Order>, sqlx::Error> {
    Ok(find_all(db, scope, &[id]).await?.pop())
}

/// Those of the orders that the scope has, with their lines, by number.
pub async fn find_all(db: impl PgExecutor<'_>, scope: Scope, ids: &[OrderId]) -> Result<Vec<Order>, sqlx::Error> {
    let mut found = read(db, ids.iter().map(|id| id.0).collect()).await?;
    found.retain(|order| scope.includes(order.customer_id));
    Ok(found)
}

/// For each of the numbers the order as its caller sees it: what the scope beside it does not have is missing, like what does
/// not exist.
pub async fn find_each(
    db: impl PgExecutor<'_>,
    wanted: &[(OrderId, Scope)],
) -> Result<Vec<Option<Arc<Order>>>, sqlx::Error> {
    let found = read(db, wanted.iter().map(|(id, _)| id.0).collect()).await?;
    let found: HashMap<OrderId, Arc<Order>> = found.into_iter().map(|order| (order.id, Arc::new(order))).collect();
    let seen =
        |(id, scope): &(OrderId, Scope)| found.get(id).filter(|order| scope.includes(order.customer_id)).cloned();
    Ok(wanted.iter().map(seen).collect())
}

/// Orders with their lines, by number, in one statement, whoever asks. An order has at least one line; one that does not exist
/// is missing. Every order that is read by its number is read here.
async fn read(db: impl PgExecutor<'_>, ids: Vec<i64>) -> Result<Vec<Order>, sqlx::Error> {
    in_order(sqlx::query_as(FIND.as_str()).bind(ids).fetch_all(db).await?)
}

/// Puts the lines of each order together; the rows of one order follow each other.
fn in_order(rows: Vec<LineRow>) -> Result<Vec<Order>, sqlx::Error> {
    let mut orders: Vec<Order> = Vec::new();
    for LineRow { order, item } in rows {
        if orders.last().is_none_or(|last| last.id.0 != order.id) {
            orders.push(order.try_into()?);
        }
        if let Some(order) = orders.last_mut() {
            order.items.push(item.into());
        }
    }
    Ok(orders)
}

/// A page of those orders that the scope has, with their lines, newest first, in one statement.
///
/// Put together from the filters that are set, so that each list is served by the index that fits it. Orders of a time
/// are sorted by it, which is also the order of their numbers but for those placed in the same moment: by number, all
/// that are newer would be walked through first. Of a customer, each bucket gives a page, and the newest of these are it.
///
/// The first column of that index leads the order, compared by `= ANY`, which PostgreSQL does not take for a constant: no
/// other index gives this order. By number alone the primary key does, and where many orders have this status or customer
/// on average, it looks like the shorter way, although it leads through all orders to the few of a rare one.
pub async fn list(
    pool: &PgPool,
    scope: Scope,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Order>, sqlx::Error> {
    let by_bucket = scope.owner().is_some() || filter.customer_key.is_some();
    let columns = OrderRow::select("o");
    // The page goes where the sign stands, with its parameters.
    let frame = select_from("(?)");
    let (head, tail) = frame.split_once('?').unwrap_or((&frame, ""));
    let mut query = QueryBuilder::new(head);
    if by_bucket {
        query.push(format!("SELECT {columns} FROM orders.buckets CROSS JOIN LATERAL ("));
    }
    query.push(format!("SELECT {columns} FROM orders.orders o WHERE TRUE"));
    if by_bucket {
        query.push(" AND orders.bucket(id) = ANY(ARRAY[bucket])");
    }
    if let Some(owner) = scope.owner() {
        query.push(" AND customer_id = ").push_bind(owner);
    }
    if let Some(key) = &filter.customer_key {
        query.push(" AND COALESCE(customer_key, lower(customer_email COLLATE \"C\")) = ").push_bind(key);
    }
    if let Some(id) = filter.id {
        query.push(" AND id = ").push_bind(id.0);
    }
    if let Some(status) = filter.status {
        query.push(" AND status = ANY(").push_bind([status.as_str()]).push(")");
    }
    if let Some(from) = filter.created_from {
        query.push(" AND created_at >= ").push_bind(from);
    }
    if let Some(to) = filter.created_to {
        query.push(" AND created_at < ").push_bind(to);
    }
    if let Some(reference) = filter.reference {
        query.push(" AND reference = ").push_bind(reference.0);
    }
    let by_time = filter.created_from.is_some() || filter.created_to.is_some();
    if let Some(before) = before {
        if by_time {
            query.push(" AND (created_at, id) < ((SELECT created_at FROM orders.orders WHERE id = ");
            query.push_bind(before).push("), ").push_bind(before).push(")");
        } else {
            query.push(" AND id < ").push_bind(before);
        }
    }
    let newest = if by_time { " ORDER BY o.created_at DESC, o.id DESC" } else { " ORDER BY o.id DESC" };
    query.push(match (by_time, by_bucket, filter.status) {
        (false, true, _) => " ORDER BY orders.bucket(o.id), o.id DESC",
        (false, false, Some(_)) => " ORDER BY o.status, o.id DESC",
        _ => newest,
    });
    query.push(" LIMIT ").push_bind(limit);
    if by_bucket {
        query.push(") AS o").push(newest).push(" LIMIT ").push_bind(limit);
    }
    query.push(tail).push(newest).push(", i.product_id");
    in_order(query.build_query_as().fetch_all(pool).await?)
}

/// Locks an order until the end of the transaction, and then reads it, if the scope has it: what another transaction wrote
/// meanwhile is seen.
pub async fn lock(conn: &mut PgConnection, scope: Scope, id: OrderId) -> Result<Option<Order>, sqlx::Error> {
    sqlx::query!("SELECT id FROM orders.orders WHERE id = $1 FOR UPDATE", id.0).fetch_optional(&mut *conn).await?;
    find(conn, scope, id).await
}

static ADVANCE: LazyLock<String> = LazyLock::new(|| {
    let columns = OrderRow::select("o");
    format!(
        "WITH moved AS (
             UPDATE orders.orders o SET status = $3, version = o.version + 1, updated_at = clock_timestamp()
             WHERE reference = ANY($1) AND CASE status WHEN $2 THEN total_amount IS NOT NULL ELSE FALSE END
             RETURNING {columns}),
         told AS (
             INSERT INTO orders.order_status_history (order_id, status, actor) SELECT id, $3, $4 FROM moved)
         SELECT {columns} FROM moved o ORDER BY o.id"
    )
});

/// Moves the placed ones among the orders that stand in `from` on to `to` and writes their timelines; gives those that it
/// moved, as they are then, without their lines. One statement; whoever changes the same orders meanwhile is waited for.
///
/// The condition on the status is a `CASE`, which no index can serve: next to none are PENDING, so their index looks like
/// the shorter way, but all the orders that ever were have left their dead entry in it.
pub async fn advance(
    conn: &mut PgConnection,
    references: &[Uuid],
    from: OrderStatus,
    to: OrderStatus,
    actor: &str,
) -> Result<Vec<Order>, sqlx::Error> {
    let query = sqlx::query_as(ADVANCE.as_str()).bind(references).bind(from.as_str()).bind(to.as_str()).bind(actor);
    let moved: Vec<OrderRow> = query.fetch_all(conn).await?;
    moved.into_iter().map(Order::try_from).collect()
}

/// The numbers of all orders that the scope has of the customer whose address has this key.
pub async fn ids_of_customer(
    conn: &mut PgConnection,
    scope: Scope,
    customer_key: &str,
) -> Result<Vec<OrderId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"SELECT o.id AS "id!" FROM orders.buckets CROSS JOIN LATERAL (
               SELECT id FROM orders.orders
               WHERE orders.bucket(id) = bucket AND COALESCE(customer_key, lower(customer_email COLLATE "C")) = $1
               OFFSET 0) o"#,
        customer_key
    );
    let ids: Vec<OrderId> = ids.fetch_all(&mut *conn).await?.into_iter().map(OrderId).collect();
    match scope.owner() {
        None => Ok(ids),
        Some(_) => Ok(find_all(conn, scope, &ids).await?.into_iter().map(|order| order.id).collect()),
    }
}

/// Moves locked orders on and writes their timelines.
pub async fn set_statuses(conn: &mut PgConnection, changes: &[NewStatus]) -> Result<(), sqlx::Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = changes.iter().map(|change| change.id.0).collect();
    let statuses: Vec<String> = changes.iter().map(|change| change.status.to_string()).collect();
    sqlx::query!(
        "UPDATE orders.orders o SET status = c.status, version = o.version + 1, updated_at = clock_timestamp()
         FROM unnest($1::bigint[], $2::text[]) AS c (id, status)
         WHERE o.id = ANY($1) AND o.id = c.id",
        &ids,
        &statuses
    )
    .execute(&mut *conn)
    .await?;
    write_history(conn, changes).await
}

/// Writes the note of a locked order.
pub async fn set_note(conn: &mut PgConnection, id: OrderId, note: Option<&str>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE orders.orders SET note = $2, version = version + 1, updated_at = clock_timestamp() WHERE id = $1",
        id.0,
        note
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds to the timelines.
async fn write_history(conn: &mut PgConnection, changes: &[NewStatus]) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = changes.iter().map(|change| change.id.0).collect();
    let statuses: Vec<String> = changes.iter().map(|change| change.status.to_string()).collect();
    let actors: Vec<String> = changes.iter().map(|change| change.actor.to_owned()).collect();
    let reasons: Vec<Option<String>> = changes.iter().map(|change| change.explanation.reason.clone()).collect();
    let notes: Vec<Option<String>> = changes.iter().map(|change| change.explanation.internal_note.clone()).collect();
    sqlx::query!(
        "INSERT INTO orders.order_status_history (order_id, status, actor, reason, internal_note)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])",
        &ids,
        &statuses,
        &actors,
        &reasons as &[Option<String>],
        &notes as &[Option<String>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The statuses an order went through, oldest first; `None` where the scope has no such order. What operators noted is not
/// for those who see only their own.
pub async fn timeline(pool: &PgPool, scope: Scope, id: OrderId) -> Result<Option<Vec<TimelineEntry>>, sqlx::Error> {
    let owned = scope.owner().is_some();
    if owned && find(pool, scope, id).await?.is_none() {
        return Ok(None);
    }
    let rows = sqlx::query!(
        "SELECT status, at, actor, reason, internal_note FROM orders.order_status_history WHERE order_id = $1 ORDER BY id",
        id.0
    )
    .fetch_all(pool)
    .await?;
    // Placing writes the first entry in the order's own transaction: without one there is no order.
    if rows.is_empty() {
        return Ok(None);
    }
    rows.into_iter()
        .map(|row| {
            let (status, reason) = (status(&row.status)?, row.reason);
            let internal_note = row.internal_note.filter(|_| !owned);
            Ok(TimelineEntry { status, at: row.at, actor: row.actor, reason, internal_note })
        })
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

/// Waits until every transaction that is writing orders has ended, and lets no other begin until this one ends.
///
/// Afterwards a look for an order is final: what is not there by then has missed its deadline. Gives up after two
/// seconds rather than keep others waiting.
pub async fn wait_for_writers(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("SET LOCAL lock_timeout = '2s'").execute(&mut *conn).await?;
    sqlx::query!("LOCK TABLE orders.orders IN SHARE MODE").execute(conn).await?;
    Ok(())
}

/// Where the placed orders with these references stand. Those that do not exist are left out, and so are those that
/// are only accepted: they can be placed anew, so nothing is kept for them.
pub async fn statuses(
    conn: &mut PgConnection,
    references: &[Uuid],
) -> Result<HashMap<Reference, OrderStatus>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT reference, status FROM orders.orders WHERE reference = ANY($1) AND total_amount IS NOT NULL",
        references
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((Reference(row.reference), status(&row.status)?))).collect()
}
