//! EDGE: the batch behind `GET /api/orders/{id}`: one statement reads all orders that were asked for while the one before
//! was at work. Each is read after it was asked for, so an answer is never old.

use crate::orders::domain::Order;
use crate::orders::error::Error;
use crate::orders::store;
use service_kit::access::Scope;
use service_kit::batcher::{Batcher, Limits};
use service_kit::db::Database;
use shared_types::OrderId;
use std::sync::Arc;

/// The queue of reads; each gives the order, if there is one that its caller may see. Callers share a statement, so whose the
/// order is must be held against each of them.
pub type OrderReads = Batcher<(OrderId, Scope), Option<Arc<Order>>, Error>;

/// Starts the batcher.
pub fn start(limits: Limits, db: Database) -> OrderReads {
    let work = move |wanted: Arc<[(OrderId, Scope)]>| {
        let db = db.clone();
        async move { Ok(db.read_batch(|mut conn| async move { store::find_each(&mut conn, &wanted).await }).await?) }
    };
    Batcher::start("order-reads", limits, work, Error::blame)
}
