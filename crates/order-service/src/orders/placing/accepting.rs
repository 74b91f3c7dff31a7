//! EDGE: the batch behind `POST /api/orders` with `Prefer: respond-async`: one transaction for many orders, which are
//! placed afterwards. Inventory-service is not asked.

use crate::orders::commands::accept;
use crate::orders::commands::write::Placement;
use crate::orders::error::Error;
use crate::orders::placing::requests::{Answers, Duplicates, PlacementQueue, PlacementRequest, Reply};
use service_kit::batcher::{Batcher, Limits};
use service_kit::db::Database;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::Notify;

/// Starts the batcher. `accepted` is told when orders wait to be placed; those that cannot be are given up after
/// `give_up_after`.
pub fn start(limits: Limits, db: Database, give_up_after: Duration, accepted: Arc<Notify>) -> PlacementQueue {
    let work = move |batch: Arc<[PlacementRequest]>| {
        let (db, accepted) = (db.clone(), accepted.clone());
        async move {
            let answers = accept_batch(&db, give_up_after, &batch).await?;
            accepted.notify_one();
            Ok(answers)
        }
    };
    Batcher::start("acceptances", limits, work, Error::blame)
}

/// Accepts a batch; gives each request its own answer, in order.
async fn accept_batch(
    db: &Database,
    give_up_after: Duration,
    batch: &[PlacementRequest],
) -> Result<Vec<Result<Reply, Error>>, Error> {
    let duplicates = Duplicates::of(db, batch).await?;
    let outcomes = write(db, give_up_after, &duplicates.first).await?;
    duplicates.answers(db, outcomes).await
}

async fn write(db: &Database, give_up_after: Duration, requests: &[&PlacementRequest]) -> Result<Answers, Error> {
    if requests.is_empty() {
        return Ok(HashMap::new());
    }
    let placements: Vec<Placement<'_>> = requests.iter().map(|request| request.placement(None, None)).collect();
    let mut transaction = db.begin().await?;
    let answers = accept::accept(&mut transaction, OffsetDateTime::now_utc(), &placements, give_up_after).await?;
    db.commit(transaction).await?;
    Ok(answers.into_iter().map(|(reference, answer)| (reference, Ok(answer))).collect())
}
