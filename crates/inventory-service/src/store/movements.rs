//! The table of stock movements: only ever added to.

use super::reservations;
use crate::domain::movements::{Movement, NewMovement};
use shared_types::ProductId;
use sqlx::{PgConnection, PgExecutor};
use std::time::Duration;

/// Writes the movements, in this order, and brings the stock of each product, which the caller has locked, to what it is
/// after the last of them.
pub async fn record(conn: &mut PgConnection, movements: &[NewMovement]) -> Result<(), sqlx::Error> {
    if movements.is_empty() {
        return Ok(());
    }
    // The same statement as with reservations, without any.
    reservations::hold(conn, Duration::ZERO, &[], movements).await?;
    Ok(())
}

/// A page of a product's movements, newest first; `before` is the id of the last one of the page before.
pub async fn list(
    db: impl PgExecutor<'_>,
    product: ProductId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Movement>, sqlx::Error> {
    sqlx::query_as!(
        Movement,
        "SELECT id, product_id, delta, reason, reference, balance_after, created_at
         FROM inventory.stock_movements
         WHERE product_id = $1 AND id < COALESCE($2, 9223372036854775807)
         ORDER BY id DESC LIMIT $3",
        product.0,
        before,
        limit
    )
    .fetch_all(db)
    .await
}
