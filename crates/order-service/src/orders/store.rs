//! The tables `orders.orders`, `orders.order_items` and `orders.order_status_history`.

use crate::orders::domain::{Order, OrderItem, TimelineEntry, order_number};
use rust_decimal::Decimal;
use shared_types::{OrderId, OrderStatus, ProductId, Reference};
use sqlx::{PgConnection, PgExecutor, PgPool, QueryBuilder, Row, postgres::PgRow};
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

pub mod accepted;
pub mod invariants;
pub mod placing;

/// Which orders a list is of; nothing set means all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this status.
    pub status: Option<OrderStatus>,
    /// Only of this customer, whatever the case.
    pub customer_email: Option<String>,
    /// Only from this time on.
    pub created_from: Option<OffsetDateTime>,
    /// Only before this time.
    pub created_to: Option<OffsetDateTime>,
    /// Only the one with this reference.
    pub reference: Option<Reference>,
}

/// What a change of status needs to know of an order.
#[derive(Clone, Copy, Debug)]
pub struct Locked {
    /// Its number.
    pub id: OrderId,
    /// Its reference.
    pub reference: Reference,
    /// Where it stands.
    pub status: OrderStatus,
    /// Whether its stock was held and its prices are known.
    pub placed: bool,
    /// Its version.
    pub version: i64,
}

/// A status an order comes to.
#[derive(Clone, Debug)]
pub struct NewStatus {
    /// The order.
    pub id: OrderId,
    /// The status.
    pub status: OrderStatus,
    /// By whom.
    pub actor: &'static str,
    /// Why.
    pub reason: Option<String>,
}

/// A status as the column has it; the CHECK constraint allows no other.
fn status(text: &str) -> Result<OrderStatus, sqlx::Error> {
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// One order with its lines.
pub async fn find(db: impl PgExecutor<'_>, id: OrderId) -> Result<Option<Order>, sqlx::Error> {
    Ok(find_all(db, &[id]).await?.pop())
}

/// Orders with their lines, by number, in one statement. An order has at least one line; one that does not exist is
/// missing.
pub async fn find_all(db: impl PgExecutor<'_>, ids: &[OrderId]) -> Result<Vec<Order>, sqlx::Error> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "SELECT o.id, o.reference, o.customer_name, o.customer_email, o.customer_phone, o.shipping_address, o.status,
                o.total_amount, o.version, o.created_at, o.updated_at,
                i.id AS item_id, i.product_id, i.product_name, i.quantity, i.price, i.subtotal
         FROM orders.orders o
         CROSS JOIN LATERAL (SELECT id, product_id, product_name, quantity, price, subtotal
                             FROM orders.order_items WHERE order_id = o.id OFFSET 0) i
         WHERE o.id = ANY($1) ORDER BY o.id, i.product_id",
        &ids
    )
    .fetch_all(db)
    .await?;
    let mut orders: Vec<Order> = Vec::with_capacity(ids.len());
    for row in rows {
        let item = OrderItem {
            id: row.item_id,
            product_id: ProductId(row.product_id),
            product_name: row.product_name,
            quantity: row.quantity,
            price: row.price.map(Into::into),
            subtotal: row.subtotal.map(Into::into),
        };
        let id = OrderId(row.id);
        match orders.last_mut() {
            Some(same) if same.id == id => same.items.push(item),
            _ => orders.push(Order {
                id,
                order_number: order_number(id),
                reference: Reference(row.reference),
                customer_name: row.customer_name,
                customer_email: row.customer_email,
                customer_phone: row.customer_phone,
                shipping_address: row.shipping_address,
                status: status(&row.status)?,
                total_amount: row.total_amount.map(Into::into),
                items: vec![item],
                created_at: row.created_at,
                updated_at: row.updated_at,
                version: row.version,
            }),
        }
    }
    Ok(orders)
}

/// A page of orders with their lines, newest first; two statements, however many there are.
///
/// Put together from the filters that are set, so that each list is served by the index that fits it. Orders of a time
/// are sorted by it, which is also the order of their numbers but for those placed in the same moment: by number, all
/// that are newer would be walked through first. Of a customer, each bucket gives a page, and the newest of these are it.
pub async fn list(pool: &PgPool, filter: &Filter, before: Option<i64>, limit: i64) -> Result<Vec<Order>, sqlx::Error> {
    let mut query = QueryBuilder::new("");
    if filter.customer_email.is_some() {
        query.push("SELECT o.* FROM orders.buckets CROSS JOIN LATERAL (");
    }
    query.push(
        "SELECT id, reference, customer_name, customer_email, customer_phone, shipping_address, status, total_amount,
                version, created_at, updated_at
         FROM orders.orders WHERE TRUE",
    );
    if let Some(email) = &filter.customer_email {
        query.push(" AND orders.bucket(id) = bucket AND lower(customer_email) = lower(").push_bind(email).push(")");
    }
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status.as_str());
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
    let newest = if by_time { " ORDER BY created_at DESC, id DESC LIMIT " } else { " ORDER BY id DESC LIMIT " };
    query.push(newest).push_bind(limit);
    if filter.customer_email.is_some() {
        query.push(") AS o").push(newest).push_bind(limit);
    }
    let mut conn = pool.acquire().await?;
    let rows = query.build().fetch_all(&mut *conn).await?;
    with_items(&mut conn, rows).await
}

async fn with_items(conn: &mut PgConnection, rows: Vec<PgRow>) -> Result<Vec<Order>, sqlx::Error> {
    let mut orders = rows.iter().map(order).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<i64> = orders.iter().map(|order| order.id.0).collect();
    let mut items = items_of(conn, &ids).await?;
    for order in &mut orders {
        order.items = items.remove(&order.id).unwrap_or_default();
    }
    Ok(orders)
}

fn order(row: &PgRow) -> Result<Order, sqlx::Error> {
    let id = OrderId(row.try_get("id")?);
    Ok(Order {
        id,
        order_number: order_number(id),
        reference: Reference(row.try_get("reference")?),
        customer_name: row.try_get("customer_name")?,
        customer_email: row.try_get("customer_email")?,
        customer_phone: row.try_get("customer_phone")?,
        shipping_address: row.try_get("shipping_address")?,
        status: status(row.try_get("status")?)?,
        total_amount: row.try_get::<Option<Decimal>, _>("total_amount")?.map(Into::into),
        items: Vec::new(),
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        version: row.try_get("version")?,
    })
}

/// The lines of many orders, by product id.
async fn items_of(conn: &mut PgConnection, orders: &[i64]) -> Result<HashMap<OrderId, Vec<OrderItem>>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, order_id, product_id, product_name, quantity, price, subtotal
         FROM orders.order_items WHERE order_id = ANY($1) ORDER BY order_id, product_id",
        orders
    )
    .fetch_all(conn)
    .await?;
    let mut items: HashMap<OrderId, Vec<OrderItem>> = HashMap::new();
    for row in rows {
        items.entry(OrderId(row.order_id)).or_default().push(OrderItem {
            id: row.id,
            product_id: ProductId(row.product_id),
            product_name: row.product_name,
            quantity: row.quantity,
            price: row.price.map(Into::into),
            subtotal: row.subtotal.map(Into::into),
        });
    }
    Ok(items)
}

/// Locks an order until the end of the transaction.
pub async fn lock(conn: &mut PgConnection, id: OrderId) -> Result<Option<Locked>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT reference, status, total_amount IS NOT NULL AS "placed!", version
           FROM orders.orders WHERE id = $1 FOR UPDATE"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let status = status(&row.status)?;
        Ok(Locked { id, reference: Reference(row.reference), status, placed: row.placed, version: row.version })
    })
    .transpose()
}

/// Moves the placed ones among the orders that stand in `from` on to `to` and writes their timelines; gives those that it
/// moved. One statement; whoever changes the same orders meanwhile is waited for.
///
/// The condition on the status is a `CASE`, which no index can serve: next to none are PENDING, so their index looks like
/// the shorter way, but all the orders that ever were have left their dead entry in it.
pub async fn advance(
    conn: &mut PgConnection,
    references: &[Uuid],
    from: OrderStatus,
    to: OrderStatus,
    actor: &str,
) -> Result<Vec<(OrderId, Reference)>, sqlx::Error> {
    let rows = sqlx::query!(
        "WITH moved AS (
             UPDATE orders.orders SET status = $3, version = version + 1, updated_at = clock_timestamp()
             WHERE reference = ANY($1) AND CASE status WHEN $2 THEN total_amount IS NOT NULL ELSE FALSE END
             RETURNING id, reference),
         told AS (
             INSERT INTO orders.order_status_history (order_id, status, actor) SELECT id, $3, $4 FROM moved)
         SELECT id, reference FROM moved",
        references,
        from.as_str(),
        to.as_str(),
        actor
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (OrderId(row.id), Reference(row.reference))).collect())
}

/// Moves locked orders on and writes their timelines.
pub async fn set_statuses(conn: &mut PgConnection, changes: &[NewStatus]) -> Result<(), sqlx::Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = changes.iter().map(|change| change.id.0).collect();
    let statuses: Vec<String> = changes.iter().map(|change| change.status.to_string()).collect();
    sqlx::query!(
        "UPDATE orders.orders o SET status = c.status
         FROM unnest($1::bigint[], $2::text[]) AS c (id, status)
         WHERE o.id = ANY($1) AND o.id = c.id",
        &ids,
        &statuses
    )
    .execute(&mut *conn)
    .await?;
    write_history(conn, changes).await
}

/// Adds to the timelines.
async fn write_history(conn: &mut PgConnection, changes: &[NewStatus]) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = changes.iter().map(|change| change.id.0).collect();
    let statuses: Vec<String> = changes.iter().map(|change| change.status.to_string()).collect();
    let actors: Vec<String> = changes.iter().map(|change| change.actor.to_owned()).collect();
    let reasons: Vec<Option<String>> = changes.iter().map(|change| change.reason.clone()).collect();
    sqlx::query!(
        "INSERT INTO orders.order_status_history (order_id, status, actor, reason)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])",
        &ids,
        &statuses,
        &actors,
        &reasons as &[Option<String>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The statuses an order went through, oldest first; `None` where there is no such order.
pub async fn timeline(pool: &PgPool, id: OrderId) -> Result<Option<Vec<TimelineEntry>>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT status, at, actor, reason FROM orders.order_status_history WHERE order_id = $1 ORDER BY id",
        id.0
    )
    .fetch_all(pool)
    .await?;
    // Placing writes the first entry in the order's own transaction: without one there is no order.
    if rows.is_empty() {
        return Ok(None);
    }
    rows.into_iter()
        .map(|row| Ok(TimelineEntry { status: status(&row.status)?, at: row.at, actor: row.actor, reason: row.reason }))
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
