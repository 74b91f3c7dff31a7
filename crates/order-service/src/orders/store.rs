//! The tables `orders.orders`, `orders.order_items` and `orders.order_status_history`.
//!
//! Each `UPDATE` of an order says itself that it counts `version` up, the ETag, and when. The trigger `orders_touch` does so
//! for changes by hand only: for thousands of orders a second its call would cost more than the condition.

use crate::orders::domain::{Order, OrderPayment, TimelineEntry};
use crate::payments::{self, LatestPayment, OrderPaymentStatus};
use service_kit::access::Scope;
use shared_types::{OrderId, OrderStatus, Reference};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, QueryBuilder, Row};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use time::OffsetDateTime;
use uuid::Uuid;

pub mod accepted;
mod changes;
pub mod customer_keys;
pub mod guests;
pub mod invariants;
pub mod lost_stock;
pub mod months;
pub mod placing;
mod rows;

use changes::write_history;
pub use changes::{NewStatus, set_patchable, set_payment_status, set_payment_statuses, set_statuses, walk};
pub use rows::{Inserted, NewOrderRow};
use rows::{ItemRow, OrderRow, status};

/// Which orders a list is of; nothing set means all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only the one with this number.
    pub id: Option<OrderId>,
    /// Only of this status.
    pub status: Option<OrderStatus>,
    /// Only with a payment that comes to this.
    pub payment_status: Option<OrderPaymentStatus>,
    /// Only of the customer whose address has this key.
    pub customer_key: Option<String>,
    /// Only from this time on.
    pub created_from: Option<OffsetDateTime>,
    /// Only before this time.
    pub created_to: Option<OffsetDateTime>,
    /// Only the one with this reference.
    pub reference: Option<Reference>,
}

/// Reads the orders of `source`, a table or a query in brackets, each line beside its order, for [`in_order`]. `bounds` says of
/// lines what is known of the number of their order before any is read: by that, PostgreSQL leaves out ranges of lines.
fn select_from(source: &str, bounds: &str) -> String {
    let (order, item) = (OrderRow::select("o"), ItemRow::select("i"));
    format!(
        "SELECT {order}, o.payment_status, {item} FROM {source} o
         CROSS JOIN LATERAL (SELECT id AS item_id, product_id, product_name, quantity, price, subtotal
                             FROM orders.order_items WHERE order_id = o.id{bounds} OFFSET 0) i"
    )
}

static LOCK: LazyLock<String> = LazyLock::new(|| {
    let select = select_from("orders.orders", " AND order_id = $1");
    format!("{select} WHERE o.id = $1 ORDER BY i.product_id FOR UPDATE OF o")
});

static FIND: LazyLock<String> = LazyLock::new(|| {
    let select = select_from("orders.orders", " AND order_id BETWEEN $2 AND $3");
    // By no order: PostgreSQL would have to sort whole rows.
    format!("{select} WHERE o.id = ANY($1)")
});

/// One order with its lines, if the scope has it.
pub async fn find(conn: &mut PgConnection, scope: Scope, id: OrderId) -> Result<Option<Order>, sqlx::Error> {
    Ok(find_all(conn, scope, &[id]).await?.pop())
}

/// Those of the orders that the scope has, with their lines, by number.
pub async fn find_all(conn: &mut PgConnection, scope: Scope, ids: &[OrderId]) -> Result<Vec<Order>, sqlx::Error> {
    let mut found = read(conn, ids.iter().map(|id| id.0).collect()).await?;
    found.retain(|order| scope.includes(order.customer_id));
    Ok(found)
}

/// For each of the numbers the order as its caller sees it: what the scope beside it does not have is missing, like what does
/// not exist.
pub async fn find_each(
    conn: &mut PgConnection,
    wanted: &[(OrderId, Scope)],
) -> Result<Vec<Option<Arc<Order>>>, sqlx::Error> {
    let found = read(conn, wanted.iter().map(|(id, _)| id.0).collect()).await?;
    let found: HashMap<OrderId, Arc<Order>> = found.into_iter().map(|order| (order.id, Arc::new(order))).collect();
    let seen =
        |(id, scope): &(OrderId, Scope)| found.get(id).filter(|order| scope.includes(order.customer_id)).cloned();
    Ok(wanted.iter().map(seen).collect())
}

/// Orders with their lines, by number, whoever asks. An order has at least one line; one that does not exist is missing. Every
/// order that is read by its number is read here.
async fn read(conn: &mut PgConnection, ids: Vec<i64>) -> Result<Vec<Order>, sqlx::Error> {
    let (first, last) = (ids.iter().min().copied(), ids.iter().max().copied());
    let rows = sqlx::query(FIND.as_str()).bind(ids).bind(first).bind(last).fetch_all(&mut *conn).await?;
    // The number of the order, and the product.
    let keyed = rows.into_iter().map(|row| Ok(((row.try_get(0)?, row.try_get(OrderRow::COUNT + 2)?), row)));
    let mut keyed = keyed.collect::<Result<Vec<((i64, i64), PgRow)>, sqlx::Error>>()?;
    keyed.sort_unstable_by_key(|(key, _)| *key);
    in_order(conn, keyed.into_iter().map(|(_, row)| row)).await
}

/// Puts the lines of each order together; the rows of one order follow each other, and their first column is its number.
/// Payments are looked for only where an order asks for one.
async fn in_order(conn: &mut PgConnection, rows: impl IntoIterator<Item = PgRow>) -> Result<Vec<Order>, sqlx::Error> {
    let mut orders: Vec<Order> = Vec::new();
    let mut paid: Vec<(usize, OrderPaymentStatus)> = Vec::new();
    for row in rows {
        let id: i64 = row.try_get(0)?;
        if orders.last().is_none_or(|last| last.id.0 != id) {
            let payment_status: Option<&str> = row.try_get(OrderRow::COUNT)?;
            if let Some(status) = payment_status {
                paid.push((orders.len(), status.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?));
            }
            orders.push(OrderRow::read(&row, 0)?.try_into()?);
        }
        if let Some(order) = orders.last_mut() {
            order.items.push(ItemRow::read(&row, OrderRow::COUNT + 1)?.into());
        }
    }
    if !paid.is_empty() {
        let ids: Vec<OrderId> = paid.iter().filter_map(|(place, _)| Some(orders.get(*place)?.id)).collect();
        let payments = payments::latest(conn, &ids).await?;
        for (place, status) in paid {
            if let Some(order) = orders.get_mut(place) {
                let latest: Option<&LatestPayment> = payments.get(&order.id);
                order.payment = latest.map(|latest| Box::new(OrderPayment::of(latest, status)));
            }
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
///
/// Fails with `RowNotFound` where a page of a time goes on behind an order that is not there.
pub async fn list(
    conn: &mut PgConnection,
    scope: Scope,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Order>, sqlx::Error> {
    let by_bucket = scope.owner().is_some() || filter.customer_key.is_some();
    let columns = OrderRow::select("o") + ", o.payment_status";
    // The page goes where the sign stands, with its parameters.
    let frame = select_from("(?)", "");
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
    if let Some(status) = filter.payment_status {
        // The index has no other orders, and a plan that is kept has to know that.
        query.push(" AND payment_status IS NOT NULL AND payment_status = ANY(");
        query.push_bind([status.as_str()]).push(")");
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
            // Fails where there is no such order: a replica that does not have it yet would show nothing, as at the end.
            let last = sqlx::query_scalar!("SELECT created_at FROM orders.orders WHERE id = $1", before);
            query.push(" AND (created_at, id) < (").push_bind(last.fetch_one(&mut *conn).await?);
            query.push(", ").push_bind(before).push(")");
        } else {
            query.push(" AND id < ").push_bind(before);
        }
    }
    let newest = if by_time { " ORDER BY o.created_at DESC, o.id DESC" } else { " ORDER BY o.id DESC" };
    query.push(match (by_time, by_bucket, filter.status, filter.payment_status) {
        (false, true, ..) => " ORDER BY orders.bucket(o.id), o.id DESC",
        (false, false, Some(_), None) => " ORDER BY o.status, o.id DESC",
        (false, false, None, Some(_)) => " ORDER BY o.payment_status, o.id DESC",
        (false, false, Some(_), Some(_)) => " ORDER BY o.payment_status, o.status, o.id DESC",
        _ => newest,
    });
    query.push(" LIMIT ").push_bind(limit);
    if by_bucket {
        query.push(") AS o").push(newest).push(" LIMIT ").push_bind(limit);
    }
    query.push(tail).push(newest).push(", i.product_id");
    let rows = query.build().fetch_all(&mut *conn).await?;
    in_order(conn, rows).await
}

/// Locks an order until the end of the transaction and reads it, if the scope has it: what another transaction wrote meanwhile is
/// seen. The lines of an order never change, and its payment is read once it is locked.
pub async fn lock(conn: &mut PgConnection, scope: Scope, id: OrderId) -> Result<Option<Order>, sqlx::Error> {
    let rows = sqlx::query(LOCK.as_str()).bind(id.0).fetch_all(&mut *conn).await?;
    let locked = in_order(conn, rows).await?.pop();
    Ok(locked.filter(|order| scope.includes(order.customer_id)))
}

static CONFIRM: LazyLock<String> = LazyLock::new(|| {
    let columns = OrderRow::select("o");
    format!(
        "WITH committed AS (
             UPDATE orders.orders o
             SET status = CASE WHEN {MAY_GO_ON} THEN 'CONFIRMED' ELSE status END,
                 stock_committed = CASE WHEN payment_status IS NULL THEN NULL ELSE TRUE END,
                 version = o.version + 1, updated_at = clock_timestamp()
             WHERE reference = ANY($1) AND reference BETWEEN $3 AND $4
               AND CASE status WHEN 'PENDING' THEN total_amount IS NOT NULL WHEN 'PAID' THEN TRUE ELSE FALSE END
             RETURNING {columns}),
         told AS (
             INSERT INTO orders.order_status_history (order_id, status, actor)
             SELECT id, status, $2 FROM committed WHERE status = 'CONFIRMED')
         SELECT {columns} FROM committed o WHERE status = 'CONFIRMED' ORDER BY o.id"
    )
});

/// What of an order's payment lets it go on once its stock is committed: that it asks for none, or owes nothing first. A test
/// holds it to [`OrderPaymentStatus::is_due`].
const MAY_GO_ON: &str = "COALESCE(payment_status, '') NOT IN ('DUE', 'VOIDED', 'REVIEW')";

/// Moves the placed ones among the orders, whose stock is committed, on to CONFIRMED and writes their timelines; gives those
/// that it moved, as they are then, without their lines. An order whose payment is due keeps in mind that its stock is
/// committed. One statement; whoever changes the same orders meanwhile is waited for.
///
/// The lowest and the highest reference say which months there can be any in.
///
/// The condition on the status is a `CASE`, which no index can serve: next to none are PENDING, so their index looks like
/// the shorter way, but all the orders that ever were have left their dead entry in it.
pub async fn confirm(conn: &mut PgConnection, references: &[Uuid], actor: &str) -> Result<Vec<Order>, sqlx::Error> {
    let (first, last) = (references.iter().min(), references.iter().max());
    let query = sqlx::query_as(CONFIRM.as_str()).bind(references).bind(actor).bind(first).bind(last);
    let moved: Vec<OrderRow> = query.fetch_all(conn).await?;
    moved.into_iter().map(Order::try_from).collect()
}

/// The numbers of all orders that the scope has of the customer whose address has this key, for operators also of those that are
/// archived.
pub async fn ids_of_customer(
    conn: &mut PgConnection,
    scope: Scope,
    customer_key: &str,
) -> Result<Vec<OrderId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"SELECT o.id AS "id!" FROM orders.buckets CROSS JOIN LATERAL (
               SELECT id FROM orders.orders
               WHERE orders.bucket(id) = bucket AND COALESCE(customer_key, lower(customer_email COLLATE "C")) = $1
               OFFSET 0) o
           UNION ALL
           SELECT orders.archived_orders_of($1)"#,
        customer_key
    );
    let ids: Vec<OrderId> = ids.fetch_all(&mut *conn).await?.into_iter().map(OrderId).collect();
    match scope.owner() {
        None => Ok(ids),
        Some(_) => Ok(find_all(conn, scope, &ids).await?.into_iter().map(|order| order.id).collect()),
    }
}

/// The statuses an order went through, oldest first; `None` where the scope has no such order. What operators noted is not
/// for those who see only their own.
pub async fn timeline(
    conn: &mut PgConnection,
    scope: Scope,
    id: OrderId,
) -> Result<Option<Vec<TimelineEntry>>, sqlx::Error> {
    let owned = scope.owner().is_some();
    // Of an archived order there may still be entries.
    if find(conn, scope, id).await?.is_none() {
        return Ok(None);
    }
    let rows = sqlx::query!(
        "SELECT status, at, actor, reason, internal_note FROM orders.order_status_history WHERE order_id = $1 ORDER BY id",
        id.0
    )
    .fetch_all(conn)
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
        "SELECT reference, status FROM orders.orders
         WHERE reference = ANY($1) AND reference BETWEEN $2 AND $3 AND total_amount IS NOT NULL",
        references,
        references.iter().min(),
        references.iter().max()
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((Reference(row.reference), status(&row.status)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::MAY_GO_ON;
    use crate::payments::DUE;

    #[test]
    fn an_order_goes_on_with_every_payment_that_is_not_due() {
        let due: Vec<String> = DUE.iter().map(|status| format!("'{status}'")).collect();
        assert!(MAY_GO_ON.ends_with(&format!("NOT IN ({})", due.join(", "))));
    }
}
