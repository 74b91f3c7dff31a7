//! Creating, replacing and deleting products. Every change of stock that comes with it is a movement.

use crate::OUTBOX;
use crate::domain::movements::{MovementReason, NewMovement};
use crate::domain::products::{Product, ProductInput};
use crate::error::Error;
use crate::store;
use service_kit::outbox::Event;
use shared_types::ProductId;
use shared_types::events::{StockLow, StockReplenished};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Creates a product; its first stock is a receipt.
pub async fn create(conn: &mut PgConnection, input: &ProductInput) -> Result<Product, Error> {
    let product = store::products::insert(conn, input).await?;
    record(conn, &product, product.stock_quantity, MovementReason::Receipt).await?;
    Ok(product)
}

/// Locks a product for a change; it stays as it is until the transaction ends.
pub async fn lock(conn: &mut PgConnection, id: ProductId) -> Result<Product, Error> {
    store::products::lock(conn, &[id]).await?.pop().ok_or(Error::ProductNotFound(id))
}

/// Replaces a locked product; a change of stock is an adjustment.
pub async fn replace(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    before: &Product,
    input: &ProductInput,
) -> Result<Product, Error> {
    let product = store::products::update(conn, before.id, input).await?;
    let delta = product.stock_quantity - before.stock_quantity;
    record(conn, &product, delta, MovementReason::Adjustment).await?;
    announce_crossing(conn, now, before, &product).await?;
    Ok(product)
}

/// Deletes a locked product: it can no longer be found or ordered, its history stays.
pub async fn delete(conn: &mut PgConnection, product: &Product) -> Result<(), Error> {
    Ok(store::products::delete(conn, product.id).await?)
}

/// Announces that a change has brought the stock of a product to the other side of its threshold, if it has: also where
/// it is the threshold that changed.
pub(super) async fn announce_crossing(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    before: &Product,
    after: &Product,
) -> Result<(), Error> {
    let event = match (before.is_low(), after.is_low()) {
        (false, true) => Event::new(&StockLow(after.stock_level()))?,
        (true, false) => Event::new(&StockReplenished(after.stock_level()))?,
        _ => return Ok(()),
    };
    Ok(OUTBOX.enqueue(conn, now, &[event]).await?)
}

async fn record(conn: &mut PgConnection, product: &Product, delta: i32, reason: MovementReason) -> Result<(), Error> {
    if delta == 0 {
        return Ok(());
    }
    let balance_after = product.stock_quantity;
    let movement = NewMovement { product_id: product.id, delta, reason, reference: None, balance_after };
    Ok(store::movements::record(conn, &[movement]).await?)
}
