//! EDGE: the batch behind `POST /api/inventory/reservations`: one transaction holds the stock for many orders.

use super::commands::{Duplicates, HoldOutcome, reserve};
use super::domain::requests::Wanted;
use super::error::Error;
use crate::products::Products;
use service_kit::batcher::{Batcher, Limits};
use service_kit::db::Database;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// The queue of requests to hold stock.
pub type HoldingQueue = Batcher<Wanted, HoldOutcome, Error>;

/// Starts the batcher.
pub fn start(limits: Limits, db: Database, products: Arc<Products>, window: Duration) -> HoldingQueue {
    let work = move |wanted: Arc<[Wanted]>| {
        let (db, products) = (db.clone(), products.clone());
        async move {
            let outcomes = reserve_batch(&db, window, &wanted).await?;
            products.changed(outcomes.iter().flat_map(HoldOutcome::taken));
            outcomes.iter().for_each(count);
            Ok(outcomes)
        }
    };
    Batcher::start("reservations", limits, work, Error::blame)
}

async fn reserve_batch(db: &Database, window: Duration, wanted: &[Wanted]) -> Result<Vec<HoldOutcome>, Error> {
    let attempt = async |duplicates| {
        let mut transaction = db.begin().await?;
        let outcomes = reserve(&mut transaction, OffsetDateTime::now_utc(), window, wanted, duplicates).await?;
        db.commit(transaction).await?;
        Ok(outcomes)
    };
    match attempt(Duplicates::Unlikely).await {
        Err(Error::DuplicateRequest) => attempt(Duplicates::Likely).await,
        outcomes => outcomes,
    }
}

/// Counts what became of a request.
pub fn count(outcome: &HoldOutcome) {
    let outcome = match outcome {
        HoldOutcome::Held(_) => "held",
        HoldOutcome::Repeated(_) => "repeated",
        HoldOutcome::Refused(_) => "refused",
    };
    metrics::counter!("reservations_total", "outcome" => outcome).increment(1);
}
