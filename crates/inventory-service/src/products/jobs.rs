//! EDGE: what is done at the start, and again and again: sample data is put in, and names are folded.

use super::config::Config;
use super::error::Error;
use super::store::{self, keys};
use service_kit::db::{self, Database};
use service_kit::fault::Fault;
use service_kit::folding::fold;
use service_kit::workers::Workers;
use std::time::Duration;

/// Products whose names are folded in one transaction.
const CHUNK: i64 = 500;

/// How often it is looked for products that a build without keys, or a person, has written.
const FOLD_EVERY: Duration = Duration::from_secs(10);

/// Puts the sample products into a database that has never had one, if the settings ask for it. Waits for the database
/// while it is away.
pub async fn load_sample_data(database: &Database, config: &Config) -> Result<(), sqlx::Error> {
    if !config.load_sample_data {
        return Ok(());
    }
    db::patiently(|| async {
        let mut transaction = database.begin().await?;
        store::load_sample_data(&mut transaction).await?;
        database.commit(transaction).await
    })
    .await
}

/// Folds the names of all products that have no keys yet, so that uniqueness holds before the service takes writes, and
/// names the twins. Waits for the database while it is away.
pub async fn fold_names_at_start(database: &Database) -> Result<(), sqlx::Error> {
    loop {
        match fold_names(database).await {
            // A product of the same key was written by another instance meanwhile: looked at again, this one is its twin.
            Err(Error::DuplicateSku) => {}
            Err(Error::Fault(Fault::Database(error))) if db::is_passing(&error) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(Error::Fault(Fault::Database(error))) => return Err(error),
            Err(error) => return Err(sqlx::Error::Protocol(error.to_string())),
            Ok(()) => break,
        }
    }
    for twin in db::patiently(|| keys::twins(database.pool())).await? {
        let (id, sku) = (twin.id, twin.sku);
        tracing::warn!(product = %id, sku, "the SKU differs from that of an earlier product only in case or form");
    }
    Ok(())
}

/// Starts the jobs.
pub fn jobs(workers: &Workers, database: &Database) {
    let database = database.clone();
    workers.every("fold names", FOLD_EVERY, move || {
        let database = database.clone();
        async move { fold_names(&database).await }
    });
}

async fn fold_names(database: &Database) -> Result<(), Error> {
    loop {
        let mut transaction = database.begin().await?;
        let unfolded = keys::lock_unfolded(&mut transaction, CHUNK).await?;
        if unfolded.is_empty() {
            break;
        }
        let folded =
            unfolded.iter().map(|it| keys::Keys { id: it.id, sku_key: fold(&it.sku), name_key: fold(&it.name) });
        keys::write(&mut transaction, &folded.collect::<Vec<_>>()).await?;
        database.commit(transaction).await?;
    }
    Ok(keys::release_single_twins(database.pool()).await?)
}
