//! The table of stock movements: only ever added to.

use crate::domain::movements::{Movement, NewMovement};
use shared_types::ProductId;
use sqlx::{PgConnection, PgExecutor};
use std::collections::BTreeMap;

/// Writes the movements, in this order, and brings the stock of each product, which the caller has locked, to what it is
/// after the last of them. One statement: while products are locked, every round trip keeps others waiting.
pub async fn record(conn: &mut PgConnection, movements: &[NewMovement]) -> Result<(), sqlx::Error> {
    if movements.is_empty() {
        return Ok(());
    }
    let moves = MovementColumns::of(movements);
    sqlx::query!(
        "WITH recorded AS (
             INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
             SELECT product_id, delta, reason, reference, balance_after
             FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::integer[])
                  WITH ORDINALITY AS m (product_id, delta, reason, reference, balance_after, position)
             ORDER BY position)
         UPDATE inventory.products p
         SET stock_quantity = n.stock, version = p.version + 1, updated_at = clock_timestamp()
         FROM unnest($6::bigint[], $7::integer[]) AS n (id, stock)
         WHERE p.id = ANY($6) AND p.id = n.id AND p.stock_quantity <> n.stock",
        &moves.products,
        &moves.deltas,
        &moves.reasons as &[&str],
        &moves.references as &[Option<&str>],
        &moves.balances,
        &moves.moved,
        &moves.stock
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

/// Movements, column by column, for the statements that write many at once.
#[derive(Debug, Default)]
pub struct MovementColumns<'a> {
    /// The product of each movement.
    pub products: Vec<i64>,
    /// Pieces of each.
    pub deltas: Vec<i32>,
    /// Why.
    pub reasons: Vec<&'a str>,
    /// What each belongs to.
    pub references: Vec<Option<&'a str>>,
    /// Stock after each.
    pub balances: Vec<i32>,
    /// The products that moved, each once, in the order of their ids.
    pub moved: Vec<i64>,
    /// The stock of each of these after the last movement.
    pub stock: Vec<i32>,
}

impl<'a> MovementColumns<'a> {
    /// The columns of these movements.
    pub fn of(movements: &'a [NewMovement]) -> Self {
        let mut columns = Self::default();
        for movement in movements {
            columns.products.push(movement.product_id.0);
            columns.deltas.push(movement.delta);
            columns.reasons.push(movement.reason.as_str());
            columns.references.push(movement.reference.as_deref());
            columns.balances.push(movement.balance_after);
        }
        let last: BTreeMap<i64, i32> = movements.iter().map(|m| (m.product_id.0, m.balance_after)).collect();
        (columns.moved, columns.stock) = last.into_iter().unzip();
        columns
    }
}
