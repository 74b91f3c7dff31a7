//! Events of earlier builds name no customer: they take the customer from an earlier event of the same order. Not needed
//! any more once no such event can be under way.

use crate::notifications::domain::announced::{Announced, What};
use crate::notifications::error::Error;
use crate::notifications::store;
use shared_types::OrderId;
use shared_types::events::OrderSnapshot;
use sqlx::PgConnection;
use std::collections::HashMap;

/// Fills in the customers that are missing. An event stays without one where no earlier event of its order is known.
pub(super) async fn fill_in(conn: &mut PgConnection, events: &mut [Announced<'_>]) -> Result<(), Error> {
    let missing: Vec<OrderId> =
        events.iter().filter_map(order).filter(|order| !has_customer(order)).map(|order| order.order_id).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut known: HashMap<OrderId, OrderSnapshot> = HashMap::new();
    for kept in store::data_of_orders(conn, &missing).await? {
        let order: OrderSnapshot = serde_json::from_str(&kept)?;
        known.insert(order.order_id, order);
    }
    let here = events.iter().filter_map(order).filter(|order| has_customer(order));
    known.extend(here.map(|order| (order.order_id, order.clone())));
    for event in events {
        let What::Order { order, .. } = &mut event.what else { continue };
        if has_customer(order) {
            continue;
        }
        match known.get(&order.order_id) {
            Some(earlier) => {
                **order = OrderSnapshot { reason: order.reason.take(), ..earlier.clone() };
                event.data = serde_json::to_string(order)?.into();
            }
            None => {
                tracing::warn!(event = %event.event_id, order = %order.order_id, "nobody is told: the event names no customer");
            }
        }
    }
    Ok(())
}

fn order<'a>(event: &'a Announced<'_>) -> Option<&'a OrderSnapshot> {
    match &event.what {
        What::Order { order, .. } => Some(order),
        What::Stock(_) => None,
    }
}

fn has_customer(order: &OrderSnapshot) -> bool {
    !order.customer_email.is_empty()
}
