//! What is done at the start, and again and again: sample data is put in, old keys and inbox rows are forgotten.

use crate::{IDEMPOTENCY, INBOX, store};
use service_kit::db::{self, Database};
use service_kit::jobs::every;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Forgets what is older than it needs to be, every hour, until `shutdown`.
pub async fn expire(database: Database, shutdown: CancellationToken) {
    let job = || async {
        let mut tx = database.begin().await?;
        let keys = IDEMPOTENCY.expire(&mut tx).await?;
        let events = INBOX.expire(&mut tx).await?;
        database.commit(tx).await?;
        tracing::debug!(keys, events, "forgot old idempotency keys and inbox rows");
        Ok::<_, sqlx::Error>(())
    };
    every("expire", Duration::from_secs(3600), shutdown, job).await;
}

/// Puts the sample products into a database that has never had one; waits for the database where it is away.
pub async fn load_sample_data(database: &Database) -> Result<(), sqlx::Error> {
    loop {
        let loading = async {
            let mut tx = database.begin().await?;
            store::products::load_sample_data(&mut tx).await?;
            database.commit(tx).await
        };
        match loading.await {
            Err(error) if db::is_unavailable(&error) => tokio::time::sleep(Duration::from_secs(1)).await,
            outcome => return outcome,
        }
    }
}
