//! EDGE: the batch behind `GET /api/orders/{id}`: one statement reads all orders that were asked for while the one before
//! was at work. Each is read after it was asked for, so an answer is never old.

use crate::orders::domain::Order;
use crate::orders::error::Error;
use crate::orders::store;
use service_kit::batcher::{Batcher, Limits};
use service_kit::db::Database;
use shared_types::OrderId;
use std::collections::HashMap;
use std::sync::Arc;

/// The queue of reads; each gives the order, if there is one.
pub type OrderReads = Batcher<OrderId, Option<Arc<Order>>, Error>;

/// Starts the batcher.
pub fn start(limits: Limits, db: Database) -> OrderReads {
    let work = move |ids: Arc<[OrderId]>| {
        let db = db.clone();
        async move { read(&db, &ids).await }
    };
    Batcher::start("order-reads", limits, work, Error::blame)
}

async fn read(db: &Database, ids: &[OrderId]) -> Result<Vec<Option<Arc<Order>>>, Error> {
    let found = store::find_all(db.pool(), ids).await?;
    let found: HashMap<OrderId, Arc<Order>> = found.into_iter().map(|order| (order.id, Arc::new(order))).collect();
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}
