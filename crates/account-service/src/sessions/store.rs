//! The tables of sessions and of refresh tokens.

pub mod invariants;

use super::domain::{Client, Limits, Reason, Session};
use crate::users::role_of;
use service_kit::access::{Role, Scope};
use service_kit::portions::PORTION;
use sqlx::{PgConnection, PgExecutor};
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// Begins a session.
pub async fn insert(
    conn: &mut PgConnection,
    id: Uuid,
    user: Uuid,
    now: OffsetDateTime,
    limits: Limits,
    client: &Client,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO accounts.sessions (id, user_id, authenticated_at, created_at, last_used_at, idle_until,
             absolute_until, agent, network)
         VALUES ($1, $2, $3, $3, $3, $4, $5, $6, $7)",
        id,
        user,
        now,
        limits.idle_until,
        limits.absolute_until,
        client.agent,
        client.network
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps the hash of a refresh token that was given out.
pub async fn insert_token(
    conn: &mut PgConnection,
    hash: &[u8],
    session: Uuid,
    generation: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO accounts.refresh_tokens (hash, session_id, generation) VALUES ($1, $2, $3)",
        hash,
        session,
        generation
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A refresh token that is used for the first time.
pub struct Used {
    /// Its session.
    pub session_id: Uuid,
    /// Its place in it.
    pub generation: i32,
    /// When the token was used that came `before` places earlier in it, if there was one.
    pub earlier_at: Option<OffsetDateTime>,
}

/// Uses a refresh token, if nobody has: of two at once, the second waits for the first and finds it used.
pub async fn use_token(
    conn: &mut PgConnection,
    hash: &[u8],
    now: OffsetDateTime,
    successor_sealed: &[u8],
    before: i32,
) -> Result<Option<Used>, sqlx::Error> {
    sqlx::query_as!(
        Used,
        r#"UPDATE accounts.refresh_tokens AS t SET used_at = $2, successor_sealed = $3
           WHERE t.hash = $1 AND t.used_at IS NULL
           RETURNING t.session_id, t.generation,
                     (SELECT earlier.used_at FROM accounts.refresh_tokens AS earlier
                      WHERE earlier.session_id = t.session_id AND earlier.generation = t.generation - $4) AS earlier_at"#,
        hash,
        now,
        successor_sealed,
        before
    )
    .fetch_optional(conn)
    .await
}

/// A refresh token that was used before.
pub struct Spent {
    /// Its session.
    pub session_id: Uuid,
    /// When it was used.
    pub used_at: OffsetDateTime,
    /// What took its place.
    pub successor_sealed: Vec<u8>,
}

/// A refresh token that was used before.
pub async fn find_spent(conn: &mut PgConnection, hash: &[u8]) -> Result<Option<Spent>, sqlx::Error> {
    sqlx::query_as!(
        Spent,
        r#"SELECT session_id, used_at AS "used_at!", successor_sealed AS "successor_sealed!"
           FROM accounts.refresh_tokens WHERE hash = $1 AND used_at IS NOT NULL"#,
        hash
    )
    .fetch_optional(conn)
    .await
}

/// The session of a refresh token that nobody has used.
pub async fn find_unused(conn: &mut PgConnection, hash: &[u8]) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT session_id FROM accounts.refresh_tokens WHERE hash = $1 AND used_at IS NULL", hash)
        .fetch_optional(conn)
        .await
}

/// The session of any refresh token.
pub async fn session_of(conn: &mut PgConnection, hash: &[u8]) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT session_id FROM accounts.refresh_tokens WHERE hash = $1", hash)
        .fetch_optional(conn)
        .await
}

/// A session that is not over, with what its tokens say.
pub struct Live {
    /// The session.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// What they are now.
    pub roles: BTreeSet<Role>,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// When they proved who they are.
    pub authenticated_at: OffsetDateTime,
    /// The seller that they sell for.
    pub seller: Option<Uuid>,
}

/// A session that is not over, of somebody who may log in. Both stay as they are until the transaction ends: a token that is
/// given out in it says no roles that were taken away. The person is locked first, as whoever ends their sessions does.
pub async fn lock_live(conn: &mut PgConnection, id: Uuid, now: OffsetDateTime) -> Result<Option<Live>, sqlx::Error> {
    sqlx::query!(
        "SELECT id FROM accounts.users WHERE id = (SELECT user_id FROM accounts.sessions WHERE id = $1) FOR SHARE",
        id
    )
    .fetch_optional(&mut *conn)
    .await?;
    let row = sqlx::query!(
        "SELECT s.id, s.user_id, s.created_at, s.authenticated_at, u.roles, u.seller_id
         FROM accounts.sessions s JOIN accounts.users u ON u.id = s.user_id
         WHERE s.id = $1 AND s.revoked_at IS NULL AND s.idle_until > $2 AND s.absolute_until > $2 AND u.status = 'ACTIVE'
         FOR NO KEY UPDATE OF s",
        id,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Live {
        id: row.id,
        user: row.user_id,
        roles: row.roles.iter().filter_map(|role| role_of(role)).collect(),
        created_at: row.created_at,
        authenticated_at: row.authenticated_at,
        seller: row.seller_id,
    }))
}

/// Whether a session within the scope is not over, and its person may log in.
pub async fn is_live(
    db: impl PgExecutor<'_>,
    scope: Scope,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM accounts.sessions s JOIN accounts.users u ON u.id = s.user_id
               WHERE s.id = $1 AND s.revoked_at IS NULL AND s.idle_until > $2 AND s.absolute_until > $2
                 AND u.status = 'ACTIVE' AND ($3::uuid IS NULL OR s.user_id = $3)) AS "is_live!""#,
        id,
        now,
        scope.owner()
    )
    .fetch_one(db)
    .await
}

/// Notes that a locked session gave tokens.
pub async fn touch(conn: &mut PgConnection, id: Uuid, now: OffsetDateTime, limits: Limits) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.sessions
         SET last_used_at = $2, absolute_until = LEAST(absolute_until, $4), idle_until = LEAST($3, absolute_until, $4)
         WHERE id = $1",
        id,
        now,
        limits.idle_until,
        limits.absolute_until
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a session within the scope that is not over; gives whose it is.
pub async fn end(
    conn: &mut PgConnection,
    scope: Scope,
    id: Uuid,
    now: OffsetDateTime,
    reason: Reason,
) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE accounts.sessions SET revoked_at = $2, reason = $3
         WHERE id = $1 AND revoked_at IS NULL AND ($4::uuid IS NULL OR user_id = $4) RETURNING user_id",
        id,
        now,
        reason.name(),
        scope.owner()
    )
    .fetch_optional(conn)
    .await
}

/// Ends a session that is not over, of which somebody holds a token; gives whose it is.
pub async fn end_held(
    conn: &mut PgConnection,
    id: Uuid,
    now: OffsetDateTime,
    reason: Reason,
) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE accounts.sessions SET revoked_at = $2, reason = $3 WHERE id = $1 AND revoked_at IS NULL RETURNING user_id",
        id,
        now,
        reason.name()
    )
    .fetch_optional(conn)
    .await
}

/// Ends every session of a person but one; gives those that it ended.
pub async fn end_all(
    conn: &mut PgConnection,
    user: Uuid,
    but: Option<Uuid>,
    now: OffsetDateTime,
    reason: Reason,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE accounts.sessions SET revoked_at = $3, reason = $4
         WHERE user_id = $1 AND revoked_at IS NULL AND absolute_until > $3 AND id IS DISTINCT FROM $2 RETURNING id",
        user,
        but,
        now,
        reason.name()
    )
    .fetch_all(conn)
    .await
}

/// The sessions within the scope that are not over, newest first.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    current: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<Vec<Session>, sqlx::Error> {
    sqlx::query_as!(
        Session,
        r#"SELECT id, created_at, last_used_at, absolute_until, agent, network,
                  id IS NOT DISTINCT FROM $2 AS "current!"
           FROM accounts.sessions
           WHERE user_id = $1 AND revoked_at IS NULL AND idle_until > $3 AND absolute_until > $3
           ORDER BY id DESC LIMIT 200"#,
        scope.owner(),
        current,
        now
    )
    .fetch_all(db)
    .await
}

/// Forgets a portion of the sessions that have been over for a month, with their tokens; gives how many.
pub async fn forget_old(db: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM accounts.sessions WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM accounts.sessions WHERE absolute_until < $1 LIMIT $2))",
        now - Duration::days(30),
        PORTION
    );
    Ok(forgotten.execute(db).await?.rows_affected())
}

/// Forgets from where a person's sessions were begun.
pub async fn forget_clients(conn: &mut PgConnection, user: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE accounts.sessions SET agent = NULL, network = NULL WHERE user_id = $1", user)
        .execute(conn)
        .await?;
    Ok(())
}
