//! Events of earlier builds name no customer, or no address: they are told as an event of this build would tell of their
//! order. Not needed any more once no such event can be under way.

use crate::notifications::domain::announced::{Announced, What};
use crate::notifications::error::Error;
use crate::notifications::store;
use shared_types::OrderId;
use shared_types::events::OrderSnapshot;
use sqlx::PgConnection;
use std::collections::HashMap;

/// Fills in what is missing. An event stays as it is where its order does not exist.
pub(super) async fn fill_in(conn: &mut PgConnection, events: &mut [Announced<'_>]) -> Result<(), Error> {
    let missing: Vec<OrderId> =
        events.iter().filter_map(order).filter(|order| !is_complete(order)).map(|order| order.order_id).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut known: HashMap<OrderId, OrderSnapshot> = HashMap::new();
    for told in store::orders_as_told(conn, &missing).await? {
        let order: OrderSnapshot = serde_json::from_str(&told)?;
        known.insert(order.order_id, order);
    }
    for event in events {
        let What::Order { order, .. } = &mut event.what else { continue };
        if is_complete(order) {
            continue;
        }
        match known.get(&order.order_id) {
            Some(told) => {
                **order = OrderSnapshot { reason: order.reason.take(), ..told.clone() };
                event.data = serde_json::to_string(order)?.into();
            }
            None => {
                tracing::warn!(event = %event.event_id, order = %order.order_id, "nobody is told: the event names no customer, and there is no such order");
            }
        }
    }
    Ok(())
}

fn order<'a>(event: &'a Announced<'_>) -> Option<&'a OrderSnapshot> {
    match &event.what {
        What::Order { order, .. } => Some(order),
        What::Money(_) | What::Stock(_) | What::Account { .. } => None,
    }
}

fn is_complete(order: &OrderSnapshot) -> bool {
    !order.customer_email.is_empty() && !order.shipping_address.is_empty()
}
