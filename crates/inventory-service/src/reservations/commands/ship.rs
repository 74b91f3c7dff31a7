//! Takes what was shipped off what is reserved.

use crate::reservations::error::Error;
use crate::reservations::store;
use crate::stock;
use shared_types::{ProductId, Reference};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Takes the pieces of the reservations off what is reserved, once for each reservation; gives the products.
///
/// Whatever the status: the news of an order may come before that of its creation. One that was released, or whose pieces
/// were shipped or never counted, changes nothing. Locks reservations and then products, like
/// [`change`](super::change::change).
pub async fn ship(conn: &mut PgConnection, references: &[Reference]) -> Result<Vec<ProductId>, Error> {
    let locked = store::lock(conn, references).await?.into_iter();
    let shipped: Vec<Reference> = locked.filter_map(|(id, counts)| counts.reserved.then_some(id)).collect();
    if shipped.is_empty() {
        return Ok(Vec::new());
    }
    let mut pieces: BTreeMap<ProductId, i64> = BTreeMap::new();
    for line in store::find(&mut *conn, &shipped).await?.into_iter().flat_map(|reservation| reservation.items) {
        *pieces.entry(line.product_id).or_default() += i64::from(line.quantity);
    }
    let products: Vec<ProductId> = pieces.keys().copied().collect();
    // Locked in the order of their ids; the levels themselves stay as they are.
    let _ = stock::lock_levels(conn, &products).await?;
    stock::unreserve(conn, &pieces).await?;
    store::mark_shipped(conn, &shipped).await?;
    Ok(products)
}
