//! The table `orders.lost_stock`: placed orders whose stock was released under them.

use super::find_all;
use crate::orders::domain::Order;
use service_kit::access::Scope;
use shared_types::{OrderId, Reference};
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};
use time::OffsetDateTime;
use uuid::Uuid;

/// Locks the placed orders of these references that are not cancelled, in the order of their references, and reads them. Where
/// there is a time, only those that have not changed since: an order is changed when it is placed.
pub async fn lock_alive(
    conn: &mut PgConnection,
    scope: Scope,
    released: &HashMap<Reference, Option<OffsetDateTime>>,
) -> Result<Vec<Order>, sqlx::Error> {
    let mut released: Vec<(Uuid, Option<OffsetDateTime>)> = released.iter().map(|(it, at)| (it.0, *at)).collect();
    released.sort_unstable();
    let (references, times): (Vec<Uuid>, Vec<Option<OffsetDateTime>>) = released.into_iter().unzip();
    let ids = sqlx::query_scalar!(
        "SELECT o.id FROM unnest($1::uuid[], $2::timestamptz[]) AS r (reference, at)
         CROSS JOIN LATERAL (
             SELECT id FROM orders.orders
             WHERE reference = r.reference AND total_amount IS NOT NULL AND updated_at <= COALESCE(r.at, 'infinity')
               AND CASE status WHEN 'CANCELLED' THEN FALSE ELSE TRUE END
             OFFSET 0 FOR UPDATE) o",
        &references,
        &times as &[Option<OffsetDateTime>]
    )
    .fetch_all(&mut *conn)
    .await?;
    if ids.is_empty() {
        Ok(Vec::new())
    } else {
        find_all(conn, scope, &ids.into_iter().map(OrderId).collect::<Vec<_>>()).await
    }
}

/// Notes that these orders have lost their stock; gives those of which it was not known.
pub async fn insert(conn: &mut PgConnection, orders: Vec<Order>) -> Result<Vec<Order>, sqlx::Error> {
    if orders.is_empty() {
        return Ok(orders);
    }
    let ids: Vec<i64> = orders.iter().map(|order| order.id.0).collect();
    let new = sqlx::query_scalar!(
        "INSERT INTO orders.lost_stock (order_id) SELECT * FROM unnest($1::bigint[]) ON CONFLICT DO NOTHING RETURNING order_id",
        &ids
    )
    .fetch_all(conn)
    .await?;
    let new: HashSet<i64> = new.into_iter().collect();
    Ok(orders.into_iter().filter(|order| new.contains(&order.id.0)).collect())
}
