//! The table of stock movements: only ever added to.

use crate::domain::movements::{Movement, NewMovement};
use shared_types::ProductId;
use sqlx::{PgConnection, PgExecutor};
use std::collections::BTreeMap;

/// Writes the movements, in this order, and brings the stock of each product, which the caller has locked, to what it is
/// after the last of them. One statement: while the products are locked, every round trip keeps others waiting.
pub async fn record(conn: &mut PgConnection, movements: &[NewMovement]) -> Result<(), sqlx::Error> {
    if movements.is_empty() {
        return Ok(());
    }
    let product_ids: Vec<i64> = movements.iter().map(|m| m.product_id.0).collect();
    let deltas: Vec<i32> = movements.iter().map(|m| m.delta).collect();
    let reasons: Vec<String> = movements.iter().map(|m| m.reason.as_str().to_owned()).collect();
    let references: Vec<Option<String>> = movements.iter().map(|m| m.reference.clone()).collect();
    let balances: Vec<i32> = movements.iter().map(|m| m.balance_after).collect();
    let stock: BTreeMap<i64, i32> = movements.iter().map(|m| (m.product_id.0, m.balance_after)).collect();
    let (products, stock): (Vec<i64>, Vec<i32>) = stock.into_iter().unzip();
    sqlx::query!(
        "WITH recorded AS (
             INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
             SELECT product_id, delta, reason, reference, balance_after
             FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::integer[])
                  WITH ORDINALITY AS m (product_id, delta, reason, reference, balance_after, position)
             ORDER BY position)
         UPDATE inventory.products p SET stock_quantity = n.stock
         FROM unnest($6::bigint[], $7::integer[]) AS n (id, stock)
         WHERE p.id = n.id AND p.stock_quantity <> n.stock",
        &product_ids,
        &deltas,
        &reasons,
        &references as &[Option<String>],
        &balances,
        &products,
        &stock
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
