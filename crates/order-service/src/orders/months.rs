//! EDGE: looks after the partitions of orders: months are added ahead, and old ones archived.

use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::orders::store::months;
use service_kit::jobs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether there is anything to do. What was in the way may be over a moment later.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks after them at once and then again and again, until `shutdown`.
pub async fn run(orders: Arc<Orders>, shutdown: CancellationToken) {
    let said = Arc::new(Mutex::new(None));
    let job = || keep(orders.clone(), said.clone());
    jobs::every("keep months", Duration::ZERO, LOOK_EVERY, shutdown, job).await;
}

/// Adds the months to come, and archives what is old enough. `said` is because of which order a month had to stay at the last
/// look.
async fn keep(orders: Arc<Orders>, said: Arc<Mutex<Option<i64>>>) -> Result<(), Error> {
    let mut transaction = orders.db.begin().await?;
    let added = months::add(&mut transaction, orders.config.partitions_ahead.into()).await?;
    orders.db.commit(transaction).await?;
    if !added.is_empty() {
        tracing::info!(partitions = added.join(" "), "added partitions for orders to come");
    }
    let held_by = if orders.config.orders_keep_months > 0 { archive(&orders).await? } else { None };
    let before = std::mem::replace(&mut *said.lock().unwrap_or_else(PoisonError::into_inner), held_by);
    if let Some(order) = held_by.filter(|_| held_by != before) {
        tracing::warn!(order, "a month of orders is not archived: this one is not done with");
    }
    Ok(())
}

/// Archives the months that are old enough, each in a transaction of its own. One that has to stay keeps those after it; gives
/// the order because of which it stays.
async fn archive(orders: &Orders) -> Result<Option<i64>, Error> {
    loop {
        let mut transaction = orders.db.begin().await?;
        let month = months::to_archive(&mut transaction, orders.config.orders_keep_months.into()).await?;
        let Some(months::OldMonth { partition, held_by: None }) = month else {
            return Ok(month.and_then(|month| month.held_by));
        };
        months::archive(&mut transaction, &partition).await?;
        orders.db.commit(transaction).await?;
        tracing::info!(partition, "archived a month of orders");
    }
}
