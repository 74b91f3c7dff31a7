//! What did not agree at the first look is looked at again, one by one, until it does or patience is over.

use crate::api::{Api, VerifyError};
use crate::compare;
use crate::differences::Suspect;
use crate::records::{Order, Reservation};
use crate::report::Breach;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

const PAUSE: Duration = Duration::from_millis(250);

/// Suspects looked at at the same time.
const AT_ONCE: usize = 8;

/// Looks at each suspect at least once more; gives what persists, by reference.
pub async fn look_again(
    orders: &Api,
    inventory: &Api,
    mut suspects: Vec<Suspect>,
    patience: Duration,
) -> Result<Vec<Breach>, VerifyError> {
    let started = Instant::now();
    loop {
        let looks = stream::iter(suspects).map(|suspect| look(orders, inventory, suspect)).buffer_unordered(AT_ONCE);
        let mut left: Vec<(Suspect, Vec<Breach>)> =
            looks.try_filter(|(_, breaches)| std::future::ready(!breaches.is_empty())).try_collect().await?;
        if left.is_empty() || started.elapsed() >= patience {
            left.sort_by_key(|(suspect, _)| *suspect);
            return Ok(left.into_iter().flat_map(|(_, breaches)| breaches).collect());
        }
        suspects = left.into_iter().map(|(suspect, _)| suspect).collect();
        tokio::time::sleep(PAUSE).await;
    }
}

/// The two in full, as they are now, and what does not agree.
async fn look(orders: &Api, inventory: &Api, suspect: Suspect) -> Result<(Suspect, Vec<Breach>), VerifyError> {
    // One after the other: an order is confirmed after its reservation is committed, so it is not seen ahead of it.
    let order = find_order(orders, suspect).await?;
    let path = format!("/api/inventory/reservations/{}", suspect.reference);
    let reservation: Option<Reservation> = inventory.find(&path).await?;
    Ok((suspect, compare::breaches(order.as_ref(), reservation.as_ref(), OffsetDateTime::now_utc())))
}

async fn find_order(orders: &Api, suspect: Suspect) -> Result<Option<Order>, VerifyError> {
    if let Some(id) = suspect.order {
        return orders.find(&format!("/api/orders/{id}")).await;
    }
    let reference = suspect.reference.to_string();
    let found: Vec<Order> = orders.get(&format!("/api/orders?reference={reference}")).await?;
    Ok(found.into_iter().find(|order| order.reference == reference))
}
