//! Creating, replacing and deleting products. Every change of stock that comes with it is a movement.

use super::domain::changes::ProductChange;
use super::domain::{Product, ProductInput};
use super::error::Error;
use super::store;
use crate::stock::{self, API, MovementReason, NewMovement, fits_on_hand};
use shared_types::ProductId;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Creates a product; its first stock is a receipt.
pub async fn create(conn: &mut PgConnection, input: &ProductInput) -> Result<Product, Error> {
    let product = store::insert(conn, input).await?.ok_or(Error::DuplicateSku)?;
    record(conn, &product, product.stock_quantity, MovementReason::Receipt).await?;
    Ok(product)
}

/// Locks a product for a change; it stays as it is until the transaction ends.
pub async fn lock(conn: &mut PgConnection, id: ProductId) -> Result<Product, Error> {
    store::lock(conn, &[id]).await?.pop().ok_or(Error::UnknownProduct(id))
}

/// Changes a locked product; a change of stock is an adjustment. What is as it was is not written.
pub async fn change(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    before: &Product,
    change: ProductChange,
) -> Result<Product, Error> {
    let input = change.of(before);
    if input == ProductChange::default().of(before) {
        return Ok(before.clone());
    }
    // A product that has more already may still be changed otherwise.
    if input.stock_quantity > before.stock_quantity && !fits_on_hand(input.stock_quantity, before.reserved) {
        return Err(stock::Error::StockLimit.into());
    }
    let product = store::update(conn, before.id, &input).await?.ok_or(Error::DuplicateSku)?;
    let delta = product.stock_quantity - before.stock_quantity;
    record(conn, &product, delta, MovementReason::Adjustment).await?;
    stock::announce_crossing(conn, now, &before.stock_level(), &product.stock_level()).await?;
    Ok(product)
}

/// Deletes a locked product: it can no longer be found or ordered, its history stays.
pub async fn delete(conn: &mut PgConnection, product: &Product) -> Result<(), Error> {
    Ok(store::delete(conn, product.id).await?)
}

async fn record(conn: &mut PgConnection, product: &Product, delta: i32, reason: MovementReason) -> Result<(), Error> {
    if delta == 0 {
        return Ok(());
    }
    let balance_after = product.stock_quantity;
    let (product_id, actor) = (product.id, Some(API));
    let movement = NewMovement { product_id, delta, reason, reference: None, balance_after, reserved: 0, actor };
    Ok(stock::record(conn, &[movement]).await?)
}
