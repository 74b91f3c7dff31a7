//! The table of API keys. Each statement is about the keys of one owner; a scope without an owner has none.

use super::domain::{ApiKey, ApiKeyInput};
use service_kit::access::Scope;
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

/// The owner's keys, the oldest first.
pub async fn list(db: impl PgExecutor<'_>, scope: Scope) -> Result<Vec<ApiKey>, sqlx::Error> {
    sqlx::query_as!(
        ApiKey,
        "SELECT id, name, roles, scopes, networks, expires_at, last_used_at, created_at
         FROM accounts.api_keys WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id",
        scope.owner()
    )
    .fetch_all(db)
    .await
}

/// One of the owner's keys.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, id: Uuid) -> Result<Option<ApiKey>, sqlx::Error> {
    sqlx::query_as!(
        ApiKey,
        "SELECT id, name, roles, scopes, networks, expires_at, last_used_at, created_at
         FROM accounts.api_keys WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL",
        id,
        scope.owner()
    )
    .fetch_optional(db)
    .await
}

/// How many keys the owner has.
pub async fn count(conn: &mut PgConnection, scope: Scope) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT COUNT(*) AS "count!" FROM accounts.api_keys WHERE user_id = $1 AND revoked_at IS NULL"#,
        scope.owner()
    )
    .fetch_one(conn)
    .await
}

/// Writes a new key of the locked owner.
pub async fn insert(
    conn: &mut PgConnection,
    scope: Scope,
    id: Uuid,
    hash: &[u8],
    input: &ApiKeyInput,
) -> Result<ApiKey, sqlx::Error> {
    sqlx::query_as!(
        ApiKey,
        "INSERT INTO accounts.api_keys (id, user_id, name, hash, roles, scopes, networks, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         RETURNING id, name, roles, scopes, networks, expires_at, last_used_at, created_at",
        id,
        scope.owner(),
        input.name,
        hash,
        &input.roles,
        &input.scopes,
        &input.networks,
        input.expires_at
    )
    .fetch_one(conn)
    .await
}

/// Ends one of the owner's keys. Gives whether there was one.
pub async fn revoke(conn: &mut PgConnection, scope: Scope, id: Uuid, now: OffsetDateTime) -> Result<bool, sqlx::Error> {
    let revoked = sqlx::query!(
        "UPDATE accounts.api_keys SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL",
        id,
        scope.owner(),
        now
    );
    Ok(revoked.execute(conn).await?.rows_affected() == 1)
}
