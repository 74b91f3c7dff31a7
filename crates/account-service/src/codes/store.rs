//! The table of codes.

use super::domain::{Purpose, TRIES};
use service_kit::portions::PORTION;
use sqlx::{PgConnection, PgExecutor};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A code that is to be kept.
pub struct NewCode<'a> {
    /// Its id.
    pub id: Uuid,
    /// For whom; nobody where the address has no account.
    pub user: Option<Uuid>,
    /// What for.
    pub purpose: Purpose,
    /// Its mark.
    pub hash: &'a [u8],
    /// The code for the mail; none where there is none.
    pub sealed: Option<&'a [u8]>,
    /// Until when.
    pub expires_at: OffsetDateTime,
}

/// Keeps a code. Those of the person and the purpose from before are no longer taken.
pub async fn insert(conn: &mut PgConnection, now: OffsetDateTime, code: &NewCode<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH superseded AS (
             UPDATE accounts.codes SET used_at = $6, sealed = NULL
             WHERE user_id = $2 AND purpose = $3 AND used_at IS NULL)
         INSERT INTO accounts.codes (id, user_id, purpose, hash, sealed, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        code.id,
        code.user,
        code.purpose.name(),
        code.hash,
        code.sealed,
        now,
        code.expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When the last code of this purpose was made for a person.
pub async fn last_made(
    conn: &mut PgConnection,
    user: Uuid,
    purpose: Purpose,
) -> Result<Option<OffsetDateTime>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT created_at FROM accounts.codes WHERE user_id = $1 AND purpose = $2 ORDER BY id DESC LIMIT 1",
        user,
        purpose.name()
    )
    .fetch_optional(conn)
    .await
}

/// A code that is tried: its id and its mark.
pub struct Tried {
    /// Its id.
    pub id: Uuid,
    /// Its mark.
    pub hash: Vec<u8>,
}

/// Counts a try of the code that is good for a person and a purpose; nothing where there is none, or no try is left.
pub async fn count_try(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    user: Option<Uuid>,
    purpose: Purpose,
) -> Result<Option<Tried>, sqlx::Error> {
    sqlx::query_as!(
        Tried,
        "UPDATE accounts.codes SET tries = tries + 1
         WHERE id = (SELECT id FROM accounts.codes WHERE user_id = $1 AND purpose = $2 ORDER BY id DESC LIMIT 1)
           AND used_at IS NULL AND expires_at > $3 AND tries < $4
         RETURNING id, hash",
        user,
        purpose.name(),
        now,
        TRIES
    )
    .fetch_optional(conn)
    .await
}

/// Uses a code up; gives whether it was good until now.
pub async fn use_up(conn: &mut PgConnection, now: OffsetDateTime, id: Uuid) -> Result<bool, sqlx::Error> {
    let used = sqlx::query!(
        "UPDATE accounts.codes SET used_at = $2, sealed = NULL WHERE id = $1 AND used_at IS NULL AND expires_at > $2",
        id,
        now
    );
    Ok(used.execute(conn).await?.rows_affected() == 1)
}

/// A sealed code with its purpose and its end.
pub struct Sealed {
    /// The code.
    pub sealed: Vec<u8>,
    /// What it is good for.
    pub purpose: String,
    /// Until when.
    pub expires_at: OffsetDateTime,
}

/// The code for the mail, while it is good.
pub async fn sealed(db: impl PgExecutor<'_>, now: OffsetDateTime, id: Uuid) -> Result<Option<Sealed>, sqlx::Error> {
    sqlx::query_as!(
        Sealed,
        r#"SELECT sealed AS "sealed!", purpose, expires_at FROM accounts.codes
           WHERE id = $1 AND sealed IS NOT NULL AND used_at IS NULL AND expires_at > $2"#,
        id,
        now
    )
    .fetch_optional(db)
    .await
}

/// Empties a portion of the codes that have expired; gives how many.
pub async fn empty_expired(db: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<u64, sqlx::Error> {
    let emptied = sqlx::query!(
        "UPDATE accounts.codes SET sealed = NULL WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM accounts.codes WHERE sealed IS NOT NULL AND expires_at <= $1 LIMIT $2))
           AND sealed IS NOT NULL",
        now,
        PORTION
    );
    Ok(emptied.execute(db).await?.rows_affected())
}

/// Forgets a portion of the codes that expired a day ago; gives how many.
pub async fn forget_old(db: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM accounts.codes WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM accounts.codes WHERE expires_at < $1 LIMIT $2))",
        now - Duration::DAY,
        PORTION
    );
    Ok(forgotten.execute(db).await?.rows_affected())
}
