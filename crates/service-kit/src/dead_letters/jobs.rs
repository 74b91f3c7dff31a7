//! What is done about letters beside the requests: replays whose turn has come, and the count of those that wait.

use super::DeadLetters;
use crate::db::Database;
use crate::jobs::every;
use crate::schema::Schema;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often letters are looked for whose replay has its turn.
const REPLAY_EVERY: Duration = Duration::from_secs(1);

/// Sends dead letters again whose turn has come, until `shutdown`.
pub async fn replay_due_letters(database: Database, schema: Schema, shutdown: CancellationToken) {
    let job = || async { DeadLetters(schema).replay_due(database.pool()).await.map(|_| ()) };
    every("replay dead letters", REPLAY_EVERY, REPLAY_EVERY, shutdown, job).await;
}

/// How often the dead letters that wait are counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Shows in the metrics how many dead letters wait, until `shutdown`.
pub async fn count_dead_letters(database: Database, schema: Schema, shutdown: CancellationToken) {
    let shown: Mutex<HashSet<String>> = Mutex::default();
    let job = || async {
        let waiting = DeadLetters(schema).waiting(database.pool()).await?;
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.extend(waiting.iter().map(|(consumer, _)| consumer.clone()));
        for consumer in shown.iter() {
            let count = waiting.iter().find(|(name, _)| name == consumer).map_or(0, |(_, count)| *count);
            metrics::gauge!("dead_letters_waiting", "queue" => consumer.clone()).set(count as f64);
        }
        Ok::<_, sqlx::Error>(())
    };
    every("count dead letters", Duration::ZERO, COUNT_EVERY, shutdown, job).await;
}
