//! Cancels the orders whose stock was released under them, and has the shop told.

use super::{pay, status_event};
use crate::orders::domain::{Explanation, Order};
use crate::orders::error::Error;
use crate::orders::store::{self, NewStatus, lost_stock};
use crate::schema::OUTBOX;
use service_kit::access::Scope;
use service_kit::outbox::Event;
use shared_types::events::{OrderSnapshot, OrderStockLost};
use shared_types::{OrderStatus, Reference};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;

/// What the customer is told.
const SORRY: &str = "We are sorry: the goods are not available any more.";

/// Deals with released stock, by the reference of the order; with each, when it was released.
///
/// A time means that it may have been an earlier hold of the same reference: it counts only where the order was placed
/// before. No time means that inventory-service looked when it heard of the order. Cancelled orders stay as they are, and so
/// do accepted ones, whose stock is held anew. An order that has left the house stays, too, but the shop is told.
pub async fn lose_stock(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    scope: Scope,
    released: &HashMap<Reference, Option<OffsetDateTime>>,
) -> Result<(), Error> {
    if released.is_empty() {
        return Ok(());
    }
    let orders = lost_stock::lock_alive(conn, scope, released).await?;
    let (mut changes, mut events) = (Vec::new(), Vec::new());
    for order in lost_stock::insert(conn, orders).await? {
        tracing::warn!(order = %order.id, status = %order.status, "its stock was released under it");
        if matches!(order.status, OrderStatus::Pending | OrderStatus::Paid | OrderStatus::Confirmed) {
            pay::call_off(conn, now, &order).await?;
            events.push(status_event(&order, OrderStatus::Cancelled, Some(SORRY.to_owned()))?);
            let explanation = Explanation::new(SORRY, "its reservation was released by hand");
            let (status, actor) = (OrderStatus::Cancelled, "inventory-service");
            changes.push(NewStatus { id: order.id, status, actor, explanation });
        }
        events.push(Event::new(&OrderStockLost(without_customer(&order)))?);
    }
    store::set_statuses(conn, &changes).await?;
    OUTBOX.enqueue(conn, now, &events).await?;
    let cancelled = OrderStatus::Cancelled.as_str();
    metrics::counter!("order_status_changes_total", "status" => cancelled).increment(changes.len() as u64);
    Ok(())
}

fn without_customer(order: &Order) -> OrderSnapshot {
    let reason = match order.status {
        OrderStatus::Shipped | OrderStatus::Delivered => {
            format!("It is {} already: count the stock of its products.", order.status)
        }
        _ => "It was cancelled, and its customer is told.".to_owned(),
    };
    OrderSnapshot { reason: Some(reason), ..order.snapshot(None).without_customer(|_| String::new()) }
}
