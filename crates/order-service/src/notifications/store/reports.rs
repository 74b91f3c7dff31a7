//! What a provider reports of messages that it took.

use sqlx::PgConnection;

/// What became of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// What the provider calls it.
    pub provider_id: String,
    /// Why it did not arrive; none where it did.
    pub failure: Option<String>,
}

/// Moves the messages on; gives how many were moved. Only one that was sent and of which nothing was reported yet is:
/// a report that comes again or late, or is about somebody else's message, changes nothing.
pub async fn report(conn: &mut PgConnection, reports: &[Report]) -> Result<u64, sqlx::Error> {
    let ids: Vec<String> = reports.iter().map(|report| report.provider_id.clone()).collect();
    let failures: Vec<Option<String>> = reports.iter().map(|report| report.failure.clone()).collect();
    let moved = sqlx::query!(
        "UPDATE orders.notifications n
         SET status = CASE WHEN r.failure IS NULL THEN 'DELIVERED' ELSE 'FAILED' END, reason = r.failure,
             delivered_at = CASE WHEN r.failure IS NULL THEN clock_timestamp() END
         FROM unnest($1::text[], $2::text[]) AS r (provider_id, failure)
         WHERE n.provider_id = ANY($1) AND n.provider_id = r.provider_id
           AND CASE n.status WHEN 'SENT' THEN TRUE ELSE FALSE END",
        &ids,
        &failures as &[Option<String>]
    )
    .execute(conn)
    .await?;
    Ok(moved.rows_affected())
}
