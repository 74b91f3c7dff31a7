//! EDGE: keys are made when they are due, at the start and again and again.

use super::state::SigningKeys;
use super::{commands, store};
use crate::sealing::Seal;
use service_kit::access::tokens::{Jwk, Verifier};
use service_kit::db::{self, Database};
use service_kit::fault::Fault;
use service_kit::workers::Workers;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// How often it is looked whether a key is due.
const EVERY: Duration = Duration::from_secs(60);

/// How often it is looked whether other keys are published: after an emergency, tokens of the new key come at once.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Makes the first key, so that the first log-in has one. Waits for the database while it is away.
pub async fn prepare(keys: &SigningKeys) -> Result<(), sqlx::Error> {
    loop {
        match keep_signing(&keys.db, &keys.seal).await {
            Ok(()) => return Ok(()),
            Err(Fault::Database(error)) if db::is_passing(&error) => tokio::time::sleep(Duration::from_secs(1)).await,
            Err(Fault::Database(error)) => return Err(error),
            Err(error) => return Err(sqlx::Error::Protocol(error.to_string())),
        }
    }
}

/// Gives the verifier of this service the public keys: nobody has to be asked for them.
pub async fn publish(keys: &SigningKeys, verifier: &Verifier) -> Result<(), sqlx::Error> {
    let now = OffsetDateTime::now_utc();
    let published = store::published(keys.db.pool(), now).await?;
    let published: Vec<Jwk> = published.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
    verifier.take_keys(&published, &keys.token_endpoint(), now);
    Ok(())
}

/// Starts the jobs.
pub fn jobs(workers: &Workers, keys: &Arc<SigningKeys>, verifier: &Verifier) {
    let (published, verifier) = (keys.clone(), verifier.clone());
    workers.every("take signing keys", PUBLISH_EVERY, move || {
        let (keys, verifier) = (published.clone(), verifier.clone());
        async move { publish(&keys, &verifier).await }
    });
    let keys = keys.clone();
    workers.every("make signing keys", EVERY, move || {
        let keys = keys.clone();
        async move { keep_signing(&keys.db, &keys.seal).await }
    });
}

async fn keep_signing(database: &Database, seal: &Seal) -> Result<(), Fault> {
    let mut transaction = database.begin().await?;
    commands::keep_signing(&mut transaction, OffsetDateTime::now_utc(), seal).await?;
    Ok(database.commit(transaction).await?)
}
