//! EDGE: gives rows of earlier builds the key by which customers are found. An instance of the build before may run beside
//! this one, so a privacy call looks for such rows each time.

use crate::orders::error::Error;
use crate::orders::store::customer_keys::{self, BATCH};
use service_kit::contact::kept_key;
use service_kit::db::Database;

/// Completes all rows, some hundreds in a transaction. Nearly always there are none.
pub async fn complete(db: &Database) -> Result<(), Error> {
    loop {
        let unkeyed = customer_keys::unkeyed(db.pool()).await?;
        if unkeyed.is_empty() {
            return Ok(());
        }
        let count = unkeyed.len();
        let key = |(id, address): (i64, String)| Some((id, kept_key(&address)?));
        let keys: Vec<(i64, String)> = unkeyed.into_iter().filter_map(key).collect();
        let mut transaction = db.begin().await?;
        customer_keys::set(&mut transaction, &keys).await?;
        db.commit(transaction).await?;
        if count < BATCH {
            return Ok(());
        }
    }
}
