//! EDGE: what is done at the start: sample data is put in.

use super::store;
use service_kit::db::{self, Database};
use std::time::Duration;

/// Puts the sample products into a database that has never had one; waits for the database where it is away.
pub async fn load_sample_data(database: &Database) -> Result<(), sqlx::Error> {
    loop {
        let loading = async {
            let mut tx = database.begin().await?;
            store::load_sample_data(&mut tx).await?;
            database.commit(tx).await
        };
        match loading.await {
            Err(error) if db::is_unavailable(&error) => tokio::time::sleep(Duration::from_secs(1)).await,
            outcome => return outcome,
        }
    }
}
