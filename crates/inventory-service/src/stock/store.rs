//! The table of stock movements, which is only ever added to, and the levels, which stand in the table of products.

pub mod invariants;
pub mod ranges;

use super::domain::levels::is_low;
use super::domain::movements::{Movement, MovementColumns, NewMovement};
use shared_types::ProductId;
use shared_types::events::StockLevel;
use sqlx::{PgConnection, PgExecutor};
use std::collections::BTreeMap;

/// Writes the movements, in this order, and brings the stock of each product, which the caller has locked, to what it is
/// after the last of them, and what is reserved of it with it. One statement: while products are locked, every round trip keeps others waiting.
pub async fn record(conn: &mut PgConnection, movements: &[NewMovement]) -> Result<(), sqlx::Error> {
    if movements.is_empty() {
        return Ok(());
    }
    let moves = MovementColumns::of(movements);
    sqlx::query!(
        "WITH recorded AS (
             INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after, actor)
             SELECT product_id, delta, reason, reference, balance_after, actor
             FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::integer[], $9::text[])
                  WITH ORDINALITY AS m (product_id, delta, reason, reference, balance_after, actor, position)
             ORDER BY position)
         UPDATE inventory.products p
         SET stock_quantity = n.stock, reserved = p.reserved + n.reserved, version = p.version + 1,
             updated_at = clock_timestamp()
         FROM unnest($6::bigint[], $7::integer[], $8::bigint[]) AS n (id, stock, reserved)
         WHERE p.id = ANY($6) AND p.id = n.id AND (p.stock_quantity <> n.stock OR n.reserved <> 0)",
        &moves.products,
        &moves.deltas,
        &moves.reasons as &[&str],
        &moves.references as &[Option<&str>],
        &moves.balances,
        &moves.moved,
        &moves.stock,
        &moves.reserved,
        &moves.actors as &[Option<&str>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes pieces off what is reserved of each product, which the caller has locked: they have left the house.
pub async fn unreserve(conn: &mut PgConnection, pieces: &BTreeMap<ProductId, i64>) -> Result<(), sqlx::Error> {
    let (ids, pieces): (Vec<i64>, Vec<i64>) = pieces.iter().map(|(id, pieces)| (id.0, *pieces)).unzip();
    sqlx::query!(
        "UPDATE inventory.products p
         SET reserved = p.reserved - n.pieces, version = p.version + 1, updated_at = clock_timestamp()
         FROM unnest($1::bigint[], $2::bigint[]) AS n (id, pieces)
         WHERE p.id = ANY($1) AND p.id = n.id",
        &ids,
        &pieces
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The level of a product that is locked.
#[derive(Clone, Debug)]
pub struct LockedLevel {
    /// The product and its stock.
    pub level: StockLevel,
    /// Whether the product is deleted.
    pub deleted: bool,
}

impl LockedLevel {
    /// Whether the stock has reached its threshold.
    pub fn is_low(&self) -> bool {
        is_low(self.level.stock_quantity, self.level.low_stock_threshold)
    }
}

/// Locks the products, also deleted ones, in the order of their ids, and gives the stock of each.
pub async fn lock_levels(
    conn: &mut PgConnection,
    ids: &[ProductId],
) -> Result<impl Iterator<Item = (ProductId, LockedLevel)> + use<>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, sku, stock_quantity, low_stock_threshold, deleted_at IS NOT NULL AS "deleted!"
           FROM inventory.products WHERE id = ANY($1) ORDER BY id FOR UPDATE"#,
        &ids.iter().map(|id| id.0).collect::<Vec<_>>()
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| {
        let level = StockLevel {
            product_id: ProductId(row.id),
            sku: row.sku,
            stock_quantity: row.stock_quantity,
            low_stock_threshold: row.low_stock_threshold,
        };
        (level.product_id, LockedLevel { level, deleted: row.deleted })
    }))
}

/// A page of a product's movements, newest first; `before` is the id of the last one of the page before.
pub async fn list_movements(
    db: impl PgExecutor<'_>,
    product: ProductId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Movement>, sqlx::Error> {
    sqlx::query_as!(
        Movement,
        "SELECT id, product_id, delta, reason, reference, balance_after, actor, created_at
         FROM inventory.stock_movements
         WHERE product_id = $1 AND id <= COALESCE($2, 9223372036854775807) AND id IS DISTINCT FROM $2
         ORDER BY id DESC LIMIT $3",
        product.0,
        before,
        limit
    )
    .fetch_all(db)
    .await
}
