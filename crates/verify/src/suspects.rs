//! What did not agree at the first look is looked at again, one by one, until it does or patience is over.

use crate::api::{Api, VerifyError};
use crate::compare;
use crate::records::{Order, Reservation};
use crate::report::Breach;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

const PAUSE: Duration = Duration::from_millis(250);

/// An order and its reservation, as far as they are there.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// The order.
    pub order: Option<Order>,
    /// The reservation.
    pub reservation: Option<Reservation>,
}

impl Pair {
    /// What does not agree.
    pub fn breaches(&self) -> Vec<Breach> {
        compare::breaches(self.order.as_ref(), self.reservation.as_ref(), OffsetDateTime::now_utc())
    }
}

/// Looks at each suspect at least once more; gives what persists.
pub async fn look_again(
    orders: &Api,
    inventory: &Api,
    mut suspects: HashMap<String, Pair>,
    patience: Duration,
) -> Result<Vec<Breach>, VerifyError> {
    let started = Instant::now();
    loop {
        for (reference, pair) in &mut suspects {
            pair.order = find_order(orders, reference, pair.order.as_ref()).await?;
            pair.reservation = inventory.find(&format!("/api/inventory/reservations/{reference}")).await?;
        }
        suspects.retain(|_, pair| !pair.breaches().is_empty());
        if suspects.is_empty() || started.elapsed() >= patience {
            let mut left: Vec<(String, Pair)> = suspects.into_iter().collect();
            left.sort_by(|(one, _), (other, _)| one.cmp(other));
            return Ok(left.iter().flat_map(|(_, pair)| pair.breaches()).collect());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn find_order(orders: &Api, reference: &str, known: Option<&Order>) -> Result<Option<Order>, VerifyError> {
    if let Some(order) = known {
        return orders.find(&format!("/api/orders/{}", order.id)).await;
    }
    let found: Vec<Order> = orders.get(&format!("/api/orders?reference={reference}")).await?;
    Ok(found.into_iter().find(|order| order.reference == reference))
}
