//! What is counted of payments for the metrics: each count looks at few rows only.

use super::rows::parsed;
use crate::payments::domain::{FindingKind, Provider};
use sqlx::PgExecutor;
use time::OffsetDateTime;

/// How many payments somebody has to look at.
pub async fn in_review(db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM orders.payments WHERE status = 'REVIEW'"#)
        .fetch_one(db)
        .await
}

/// At how many payments it is time to look, or to send something of them; at most 10,000 are counted.
pub async fn waiting(db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM orders.payments_at_work WHERE next_attempt_at <= now() LIMIT 10000) q"#
    )
    .fetch_one(db)
    .await
}

/// Since when a provider has not said what became of an operation: the oldest of them.
pub async fn unknown_since(db: impl PgExecutor<'_>) -> Result<Option<OffsetDateTime>, sqlx::Error> {
    sqlx::query_scalar!("SELECT min(first_sent_at) FROM orders.payment_operations WHERE status IN ('SENT', 'UNKNOWN')")
        .fetch_one(db)
        .await
}

/// How many findings of each kind are open.
pub async fn open_findings(db: impl PgExecutor<'_>) -> Result<Vec<(FindingKind, i64)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT kind, count(*) AS "count!" FROM orders.payment_findings WHERE resolved_at IS NULL GROUP BY kind"#
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| Ok((parsed(&row.kind)?, row.count))).collect()
}

/// When a provider was last heard.
pub async fn last_heard(db: impl PgExecutor<'_>, provider: Provider) -> Result<Option<OffsetDateTime>, sqlx::Error> {
    sqlx::query_scalar!("SELECT max(received_at) FROM orders.payment_events WHERE provider = $1", provider.as_str())
        .fetch_one(db)
        .await
}
