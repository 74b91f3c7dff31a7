//! The table of stock movements: only ever added to.

use crate::domain::movements::{Movement, NewMovement};
use shared_types::ProductId;
use sqlx::{PgConnection, PgExecutor};

/// Writes the movements, in this order.
pub async fn insert(conn: &mut PgConnection, movements: &[NewMovement]) -> Result<(), sqlx::Error> {
    if movements.is_empty() {
        return Ok(());
    }
    let product_ids: Vec<i64> = movements.iter().map(|m| m.product_id.0).collect();
    let deltas: Vec<i32> = movements.iter().map(|m| m.delta).collect();
    let reasons: Vec<String> = movements.iter().map(|m| m.reason.as_str().to_owned()).collect();
    let references: Vec<Option<String>> = movements.iter().map(|m| m.reference.clone()).collect();
    let balances: Vec<i32> = movements.iter().map(|m| m.balance_after).collect();
    sqlx::query!(
        "INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
         SELECT product_id, delta, reason, reference, balance_after
         FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::integer[])
              WITH ORDINALITY AS m (product_id, delta, reason, reference, balance_after, position)
         ORDER BY position",
        &product_ids,
        &deltas,
        &reasons,
        &references as &[Option<String>],
        &balances
    )
    .execute(conn)
    .await?;
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
