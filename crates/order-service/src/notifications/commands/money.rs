//! Events about money name no customer, since other readers of them need none: they are told as an event about their order
//! would be, with the money beside it.

use crate::notifications::domain::announced::{Announced, ToldMoney, What};
use crate::notifications::domain::rules::Contact;
use crate::notifications::error::Error;
use crate::notifications::store;
use serde_json::{Map, Value};
use shared_types::OrderId;
use shared_types::events::OrderSnapshot;
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap};

/// Fills in who is told, and the order. An event stays as it is where its order does not exist.
pub(super) async fn fill_in(conn: &mut PgConnection, events: &mut [Announced<'_>]) -> Result<(), Error> {
    let wanted: BTreeSet<OrderId> =
        events.iter().filter_map(money).filter(|money| money.kind.is_some()).map(|money| money.order_id).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let wanted: Vec<OrderId> = wanted.into_iter().collect();
    let mut known: HashMap<OrderId, (OrderSnapshot, String)> = HashMap::new();
    for told in store::orders_as_told(conn, &wanted).await? {
        let order: OrderSnapshot = serde_json::from_str(&told)?;
        known.insert(order.order_id, (order, told));
    }
    for event in events {
        let What::Money(money) = &mut event.what else { continue };
        let Some((order, told)) = known.get(&money.order_id) else {
            if money.kind.is_some() {
                tracing::warn!(event = %event.event_id, order = %money.order_id, "nobody is told of money: there is no such order");
            }
            continue;
        };
        money.contact = Some(Contact { email: order.customer_email.clone(), phone: order.customer_phone.clone() });
        event.data = beside(told, &event.data)?.into();
    }
    Ok(())
}

/// The order in JSON, with the data of the event as its field `money`.
fn beside(order: &str, money: &str) -> Result<String, serde_json::Error> {
    let mut fields: Map<String, Value> = serde_json::from_str(order)?;
    fields.insert("money".to_owned(), serde_json::from_str(money)?);
    serde_json::to_string(&fields)
}

fn money<'a>(event: &'a Announced<'_>) -> Option<&'a ToldMoney> {
    match &event.what {
        What::Money(money) => Some(money),
        What::Order { .. } | What::Stock(_) | What::Account { .. } => None,
    }
}
