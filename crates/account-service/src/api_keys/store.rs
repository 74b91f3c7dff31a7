//! The table of API keys. Each statement is about the keys of one owner; a scope without an owner has none. Only who shows
//! the key itself finds it otherwise.

use super::domain::grant::GoodKey;
use super::domain::{ApiKey, ApiKeyInput};
use crate::users::role_of;
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

/// The key of this id and hash, provided that it is good now. It is joined with its owner, so that no token says more than
/// they are at that moment, and they stay so until the transaction ends.
pub async fn find_good(
    conn: &mut PgConnection,
    scope: Scope,
    id: Uuid,
    hash: &[u8],
    now: OffsetDateTime,
) -> Result<Option<GoodKey>, sqlx::Error> {
    let found = sqlx::query!(
        "SELECT k.user_id, k.roles, k.scopes, k.networks, k.expires_at, u.roles AS owner_roles, u.seller_id
         FROM accounts.api_keys k JOIN accounts.users u ON u.id = k.user_id
         WHERE k.id = $1 AND k.hash = $2 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $3)
           AND u.status = 'ACTIVE'
         FOR SHARE OF u",
        id,
        hash,
        now
    );
    let found = found.fetch_optional(conn).await?.filter(|key| scope.includes(Some(key.user_id)));
    Ok(found.map(|key| GoodKey {
        id,
        owner: key.user_id,
        seller: key.seller_id,
        roles: key.roles.iter().filter(|role| key.owner_roles.contains(role)).filter_map(|it| role_of(it)).collect(),
        scopes: key.scopes.into_iter().collect(),
        networks: key.networks,
        expires_at: key.expires_at,
    }))
}

/// Whether a key within the scope can be exchanged for tokens.
pub async fn is_good(
    db: impl PgExecutor<'_>,
    scope: Scope,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM accounts.api_keys k JOIN accounts.users u ON u.id = k.user_id
               WHERE k.id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2)
                 AND u.status = 'ACTIVE' AND ($3::uuid IS NULL OR k.user_id = $3)) AS "is_good!""#,
        id,
        now,
        scope.owner()
    )
    .fetch_one(db)
    .await
}

/// Notes that a key was used; not more often than once a minute.
pub async fn note_use(conn: &mut PgConnection, key: &GoodKey, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.api_keys SET last_used_at = $2
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2::timestamptz - INTERVAL '1 minute')",
        key.id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets every key of the owner.
pub async fn forget(conn: &mut PgConnection, scope: Scope) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM accounts.api_keys WHERE user_id = $1", scope.owner()).execute(conn).await?;
    Ok(())
}
