//! The table `orders.erasures`: whose messages were erased lately, and when.

use crate::notifications::domain::erasure::Erasure;
use service_kit::portions::PORTION;
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;

/// Waits until the messages that are being written are committed, and has others wait until the end of the transaction: [`since`]
/// takes a lock that this one excludes. Who only reads the table, as a dump does, is not in the way.
pub async fn lock(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("LOCK TABLE orders.erasures IN EXCLUSIVE MODE").execute(conn).await?;
    Ok(())
}

/// Notes an erasure.
pub async fn insert(conn: &mut PgConnection, erasure: &Erasure) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO orders.erasures AS e (address_hash, with_orders, erased_at) VALUES ($1, $2, $3)
         ON CONFLICT (address_hash, with_orders) DO UPDATE SET erased_at = GREATEST(e.erased_at, EXCLUDED.erased_at)",
        erasure.address_hash,
        erasure.with_orders,
        erasure.erased_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The erasures since a time. Others wait until the end of the transaction.
pub async fn since(conn: &mut PgConnection, time: OffsetDateTime) -> Result<Vec<Erasure>, sqlx::Error> {
    sqlx::query_as!(
        Erasure,
        "SELECT address_hash, with_orders, erased_at FROM orders.erasures WHERE erased_at >= $1 FOR KEY SHARE",
        time
    )
    .fetch_all(conn)
    .await
}

/// Forgets a portion of the erasures of so long ago that no event from before can come any more; gives how many. `oldest`: when that
/// happened of which the oldest dead letter tells.
pub async fn forget(db: impl PgExecutor<'_>, oldest: Option<OffsetDateTime>) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM orders.erasures WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM orders.erasures WHERE erased_at < LEAST(now() - INTERVAL '30 days', $1) LIMIT $2))",
        oldest,
        PORTION
    );
    Ok(forgotten.execute(db).await?.rows_affected())
}
