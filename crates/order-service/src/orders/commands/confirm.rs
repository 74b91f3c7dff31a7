//! Confirms the orders whose stock is committed.

use super::status_event;
use crate::orders::error::Error;
use crate::orders::store;
use crate::schema::OUTBOX;
use shared_types::{OrderStatus, Reference};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// Moves the PENDING and PAID ones among the orders on to CONFIRMED. An order that is further along, cancelled or unknown
/// stays as it is: the message came late. So does one that is not placed yet; placing it finds its stock committed. One whose
/// payment is due waits for that, too.
/// With each order comes the trace context of what committed its stock.
pub async fn confirm(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    committed: &HashMap<Reference, Option<String>>,
) -> Result<(), Error> {
    let references: Vec<Uuid> = committed.keys().map(|reference| reference.0).collect();
    let to = OrderStatus::Confirmed;
    let confirmed = store::confirm(conn, &references, "inventory-service").await?;
    let mut events = Vec::with_capacity(confirmed.len());
    for order in &confirmed {
        let traceparent = committed.get(&order.reference).cloned().flatten();
        events.push(status_event(order, to, None)?.caused_by(traceparent));
    }
    OUTBOX.enqueue(conn, now, &events).await?;
    metrics::counter!("order_status_changes_total", "status" => to.as_str()).increment(confirmed.len() as u64);
    Ok(())
}
