//! Confirms the orders whose stock is committed.

use super::status_event;
use crate::OUTBOX;
use crate::error::Error;
use crate::store::orders::{self, NewStatus};
use shared_types::{OrderStatus, Reference};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// Moves the PENDING ones among the orders on to CONFIRMED. An order that is further along, cancelled or unknown
/// stays as it is: the message came late. So does one that is not placed yet; placing it finds its stock committed.
/// With each order comes the trace context of what committed its stock.
pub async fn confirm(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    committed: &HashMap<Reference, Option<String>>,
) -> Result<(), Error> {
    let references: Vec<Uuid> = committed.keys().map(|reference| reference.0).collect();
    let locked = orders::lock_by_references(conn, &references).await?;
    let status = OrderStatus::Confirmed;
    let (mut changes, mut events) = (Vec::new(), Vec::new());
    for order in locked.iter().filter(|order| order.placed && order.status == OrderStatus::Pending) {
        changes.push(NewStatus { id: order.id, status, actor: "inventory-service", reason: None });
        let traceparent = committed.get(&order.reference).cloned().flatten();
        events.extend(status_event(order.id, order.reference, status, None)?.map(|it| it.caused_by(traceparent)));
    }
    orders::set_statuses(conn, &changes).await?;
    OUTBOX.enqueue(conn, now, &events).await?;
    metrics::counter!("order_status_changes_total", "status" => status.as_str()).increment(changes.len() as u64);
    Ok(())
}
