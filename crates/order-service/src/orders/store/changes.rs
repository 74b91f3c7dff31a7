//! Changes of locked orders: their statuses with the timeline, their notes, and what their payments come to.

use crate::orders::domain::{Explanation, Patchable};
use crate::payments::OrderPaymentStatus;
use shared_types::{OrderId, OrderStatus};
use sqlx::PgConnection;

/// A status an order comes to.
#[derive(Clone, Debug)]
pub struct NewStatus {
    pub id: OrderId,
    pub status: OrderStatus,
    pub actor: &'static str,
    pub explanation: Explanation,
}

/// Moves locked orders on and writes their timelines.
pub async fn set_statuses(conn: &mut PgConnection, changes: &[NewStatus]) -> Result<(), sqlx::Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = changes.iter().map(|change| change.id.0).collect();
    let statuses: Vec<String> = changes.iter().map(|change| change.status.to_string()).collect();
    sqlx::query!(
        "UPDATE orders.orders o SET status = c.status, version = o.version + 1, updated_at = clock_timestamp()
         FROM unnest($1::bigint[], $2::text[]) AS c (id, status)
         WHERE o.id = ANY($1) AND o.id = c.id",
        &ids,
        &statuses
    )
    .execute(&mut *conn)
    .await?;
    write_history(conn, changes).await
}

/// Moves a locked order through these statuses, one after the other, and writes its timeline.
pub async fn walk(conn: &mut PgConnection, steps: &[NewStatus]) -> Result<(), sqlx::Error> {
    let Some(last) = steps.last() else { return Ok(()) };
    sqlx::query!(
        "UPDATE orders.orders SET status = $2, version = version + $3, updated_at = clock_timestamp() WHERE id = $1",
        last.id.0,
        last.status.as_str(),
        i64::try_from(steps.len()).unwrap_or_default()
    )
    .execute(&mut *conn)
    .await?;
    write_history(conn, steps).await
}

/// Writes what can be patched of a locked order.
pub async fn set_patchable(conn: &mut PgConnection, id: OrderId, changed: &Patchable) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE orders.orders SET note = $2, version = version + 1, updated_at = clock_timestamp() WHERE id = $1",
        id.0,
        changed.note
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds to the timelines.
pub(super) async fn write_history(conn: &mut PgConnection, changes: &[NewStatus]) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = changes.iter().map(|change| change.id.0).collect();
    let statuses: Vec<String> = changes.iter().map(|change| change.status.to_string()).collect();
    let actors: Vec<String> = changes.iter().map(|change| change.actor.to_owned()).collect();
    let reasons: Vec<Option<String>> = changes.iter().map(|change| change.explanation.reason.clone()).collect();
    let notes: Vec<Option<String>> = changes.iter().map(|change| change.explanation.internal_note.clone()).collect();
    sqlx::query!(
        "INSERT INTO orders.order_status_history (order_id, status, actor, reason, internal_note)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])",
        &ids,
        &statuses,
        &actors,
        &reasons as &[Option<String>],
        &notes as &[Option<String>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what the payments of locked orders come to. Each order of these is changed, and counts its version.
pub async fn set_payment_statuses(
    conn: &mut PgConnection,
    orders: &[(OrderId, OrderPaymentStatus)],
) -> Result<(), sqlx::Error> {
    let (ids, statuses): (Vec<i64>, Vec<String>) = orders.iter().map(|(id, status)| (id.0, status.to_string())).unzip();
    sqlx::query!(
        "UPDATE orders.orders o
         SET payment_status = c.payment_status, version = o.version + 1, updated_at = clock_timestamp()
         FROM unnest($1::bigint[], $2::text[]) AS c (id, payment_status)
         WHERE o.id = ANY($1) AND o.id = c.id",
        &ids,
        &statuses
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what the payment of a locked order comes to; gives whether its stock is committed, where it waited for its payment.
pub async fn set_payment_status(
    conn: &mut PgConnection,
    order: OrderId,
    status: OrderPaymentStatus,
) -> Result<bool, sqlx::Error> {
    let committed = sqlx::query_scalar!(
        "UPDATE orders.orders SET payment_status = $2, version = version + 1, updated_at = clock_timestamp()
         WHERE id = $1 RETURNING stock_committed",
        order.0,
        status.as_str()
    );
    Ok(committed.fetch_one(conn).await?.unwrap_or_default())
}
