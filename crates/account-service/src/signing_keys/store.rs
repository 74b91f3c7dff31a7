//! The table of signing keys.

use super::domain::Times;
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;

/// Takes the one place for changing keys, until the transaction ends.
pub async fn lock(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT pg_advisory_xact_lock(hashtext('accounts.signing_keys')) AS "locked: ()""#)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// When the last key that is not revoked ends signing.
pub async fn last_signs_until(db: impl PgExecutor<'_>) -> Result<Option<OffsetDateTime>, sqlx::Error> {
    sqlx::query_scalar!("SELECT max(signs_until) FROM accounts.signing_keys WHERE revoked_at IS NULL")
        .fetch_one(db)
        .await
}

/// Keeps a new key.
pub async fn insert(
    conn: &mut PgConnection,
    kid: &str,
    public_jwk: &serde_json::Value,
    private_sealed: &[u8],
    times: &Times,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO accounts.signing_keys (kid, alg, public_jwk, private_sealed, published_at, signs_from, signs_until,
             gone_at)
         VALUES ($1, 'ES256', $2, $3, $4, $5, $6, $7)",
        kid,
        public_jwk,
        private_sealed,
        times.published_at,
        times.signs_from,
        times.signs_until,
        times.gone_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A private key, sealed.
pub struct Sealed {
    /// Its name.
    pub kid: String,
    /// PKCS#8.
    pub private_sealed: Vec<u8>,
}

/// The key that signs now.
pub async fn signing(db: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<Option<Sealed>, sqlx::Error> {
    sqlx::query_as!(
        Sealed,
        r#"SELECT kid, private_sealed AS "private_sealed!" FROM accounts.signing_keys
           WHERE signs_from <= $1 AND signs_until > $1 AND revoked_at IS NULL AND private_sealed IS NOT NULL
           ORDER BY signs_from DESC LIMIT 1"#,
        now
    )
    .fetch_optional(db)
    .await
}

/// The public keys that tokens may be signed with.
pub async fn published(db: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<Vec<serde_json::Value>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT public_jwk FROM accounts.signing_keys
         WHERE published_at <= $1 AND gone_at > $1 AND revoked_at IS NULL ORDER BY signs_from",
        now
    )
    .fetch_all(db)
    .await
}

/// Revokes every key that tokens may be signed with; gives their names, and when the last of their tokens ends.
pub async fn revoke_all(conn: &mut PgConnection, now: OffsetDateTime) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE accounts.signing_keys SET revoked_at = $1, private_sealed = NULL
         WHERE revoked_at IS NULL AND gone_at > $1 RETURNING kid",
        now
    )
    .fetch_all(conn)
    .await
}

/// Empties keys that sign no more, and forgets those that are gone for a month.
pub async fn clean(conn: &mut PgConnection, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.signing_keys SET private_sealed = NULL WHERE private_sealed IS NOT NULL AND signs_until <= $1",
        now
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM accounts.signing_keys WHERE gone_at < $1", now - super::domain::SIGNS)
        .execute(conn)
        .await?;
    Ok(())
}
