//! Stock that comes in or goes out by hand, and what is announced where a threshold is crossed.

use super::domain::counting::{Count, StockOnHand};
use super::domain::levels::{Shortage, fits_on_hand, is_low, stock_plus};
use super::domain::movements::{API, MovementReason, NewMovement, StockChange};
use super::error::Error;
use super::store;
use crate::schema::OUTBOX;
use service_kit::outbox::Event;
use shared_types::events::{StockLevel, StockLow, StockReplenished};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Adds pieces to a locked product, of which `reserved` pieces wait to be shipped.
pub async fn add(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    before: &StockLevel,
    reserved: i64,
    change: StockChange,
) -> Result<(), Error> {
    let stock = stock_plus(before.stock_quantity, change.quantity).filter(|stock| fits_on_hand(*stock, reserved));
    let stock = stock.ok_or(Error::StockLimit)?;
    write(conn, now, before, stock, change).await
}

/// Takes pieces from a locked product.
pub async fn reduce(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    before: &StockLevel,
    change: StockChange,
) -> Result<(), Error> {
    if let Some(shortage) = Shortage::of(before.product_id, &before.sku, before.stock_quantity, change.quantity) {
        return Err(Error::InsufficientStock(shortage));
    }
    write(conn, now, before, before.stock_quantity - change.quantity, change).await
}

/// Brings a locked product, of which `reserved` pieces wait to be shipped, to what was counted on the shelf.
pub async fn count(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    before: &StockLevel,
    reserved: i64,
    count: Count,
) -> Result<(), Error> {
    let stock = StockOnHand::available_of(count.counted, reserved)?;
    if stock == before.stock_quantity {
        return Ok(());
    }
    let quantity = (stock - before.stock_quantity).abs();
    let change = StockChange { quantity, reason: MovementReason::Adjustment, reference: count.reason };
    write(conn, now, before, stock, change).await
}

async fn write(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    before: &StockLevel,
    stock: i32,
    change: StockChange,
) -> Result<(), Error> {
    let movement = NewMovement {
        product_id: before.product_id,
        delta: stock - before.stock_quantity,
        reason: change.reason,
        reference: change.reference,
        balance_after: stock,
        reserved: 0,
        actor: Some(API),
    };
    store::record(conn, &[movement]).await?;
    announce_crossing(conn, now, before, &StockLevel { stock_quantity: stock, ..before.clone() }).await
}

/// Announces that a change has brought the stock of a product to the other side of its threshold, if it has: also where
/// it is the threshold that changed.
pub async fn announce_crossing(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    before: &StockLevel,
    after: &StockLevel,
) -> Result<(), Error> {
    let low = |level: &StockLevel| is_low(level.stock_quantity, level.low_stock_threshold);
    let event = match (low(before), low(after)) {
        (false, true) => Event::new(&StockLow(after.clone()))?,
        (true, false) => Event::new(&StockReplenished(after.clone()))?,
        _ => return Ok(()),
    };
    Ok(OUTBOX.enqueue(conn, now, &[event]).await?)
}
