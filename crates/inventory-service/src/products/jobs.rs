//! EDGE: what is done at the start: sample data is put in.

use super::config::Config;
use super::store;
use service_kit::db::{self, Database};
use std::time::Duration;

/// Puts the sample products into a database that has never had one, if the settings ask for it. Waits for the database
/// while it is away.
pub async fn load_sample_data(database: &Database, config: &Config) -> Result<(), sqlx::Error> {
    if !config.load_sample_data {
        return Ok(());
    }
    loop {
        let loading = async {
            let mut transaction = database.begin().await?;
            store::load_sample_data(&mut transaction).await?;
            database.commit(transaction).await
        };
        match loading.await {
            Err(error) if db::is_unavailable(&error) => tokio::time::sleep(Duration::from_secs(1)).await,
            outcome => return outcome,
        }
    }
}
