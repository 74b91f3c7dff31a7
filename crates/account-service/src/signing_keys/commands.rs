//! Making keys when they are due, and all at once where one may have leaked.

use super::domain::{self, Times};
use super::store;
use crate::revocations;
use crate::sealing::Seal;
use service_kit::access::tokens::SigningKey;
use service_kit::fault::Fault;
use service_kit::problem::Problem;
use shared_types::events::{KeyRevoked, SigningKeyRevoked};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Where a private key is sealed for.
pub fn place(kid: &str) -> String {
    format!("signing_keys {kid}")
}

/// Makes the key that is due, if one is. One instance does it at a time.
pub async fn keep_signing(conn: &mut PgConnection, now: OffsetDateTime, seal: &Seal) -> Result<(), Fault> {
    store::lock(conn).await?;
    store::clean(conn, now).await?;
    match domain::due(now, store::last_signs_until(&mut *conn).await?) {
        Some(times) => make(conn, seal, &times).await,
        None => Ok(()),
    }
}

/// Revokes every key and makes one that signs at once. Gives the names of those that were revoked.
pub async fn rotate_now(conn: &mut PgConnection, now: OffsetDateTime, seal: &Seal) -> Result<Vec<String>, Fault> {
    store::lock(conn).await?;
    let revoked = store::revoke_all(conn, now).await?;
    make(conn, seal, &Times::new(now, now)).await?;
    let keys: Vec<SigningKeyRevoked> =
        revoked.iter().map(|kid| SigningKeyRevoked(KeyRevoked { kid: kid.clone() })).collect();
    revocations::announce(conn, now, &keys).await?;
    Ok(revoked)
}

async fn make(conn: &mut PgConnection, seal: &Seal, times: &Times) -> Result<(), Fault> {
    let key = SigningKey::generate().map_err(Problem::unexpected)?;
    let sealed = seal.close(&place(key.kid()), key.pkcs8())?;
    Ok(store::insert(conn, key.kid(), &serde_json::to_value(key.public_jwk())?, &sealed, times).await?)
}
