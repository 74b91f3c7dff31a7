//! The table of entries, which is only ever added to. A trigger chains them. Old ranges of them may be archived.

pub mod invariants;
pub mod ranges;

use super::domain::{Action, Actor, Entry};
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

/// Adds an entry about a person. The detail names nobody.
pub async fn record(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    actor: &Actor,
    action: Action,
    user: Uuid,
    detail: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO accounts.audit (at, actor, action, user_id, detail) VALUES ($1, $2, $3, $4, $5)",
        now,
        actor.to_string(),
        action.name(),
        user,
        detail
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The entries about a person, newest first, older than `after`. They end where the archive begins.
pub async fn list(
    db: impl PgExecutor<'_>,
    user: Uuid,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    sqlx::query_as!(
        Entry,
        "SELECT id, at, actor, action, user_id, detail FROM accounts.audit
         WHERE user_id = $1 AND id < COALESCE($2, 9223372036854775807) ORDER BY id DESC LIMIT $3",
        user,
        after,
        limit
    )
    .fetch_all(db)
    .await
}
