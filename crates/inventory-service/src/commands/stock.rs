//! Stock that comes in or goes out by hand.

use super::products::announce_crossing;
use crate::domain::movements::{NewMovement, StockChange};
use crate::domain::products::Product;
use crate::error::Error;
use crate::store;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Adds pieces to a locked product.
pub async fn add(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    product: &Product,
    change: StockChange,
) -> Result<Product, Error> {
    let stock = product.stock_plus(change.quantity).ok_or(Error::StockLimit)?;
    write(conn, now, product, stock, change).await
}

/// Takes pieces from a locked product.
pub async fn reduce(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    product: &Product,
    change: StockChange,
) -> Result<Product, Error> {
    let stock = product.stock_minus(change.quantity).map_err(Error::Insufficient)?;
    write(conn, now, product, stock, change).await
}

async fn write(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    product: &Product,
    stock: i32,
    change: StockChange,
) -> Result<Product, Error> {
    let movement = NewMovement {
        product_id: product.id,
        delta: stock - product.stock_quantity,
        reason: change.reason,
        reference: change.reference,
        balance_after: stock,
    };
    store::movements::record(conn, &[movement]).await?;
    let after = store::products::find(&mut *conn, product.id).await?.ok_or(Error::ProductNotFound(product.id))?;
    announce_crossing(conn, now, product, &after).await?;
    Ok(after)
}
