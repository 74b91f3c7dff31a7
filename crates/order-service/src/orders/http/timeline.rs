//! EDGE: the statuses an order went through.

use crate::orders::domain::TimelineEntry;
use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::orders::store;
use axum::Json;
use axum::extract::State;
use service_kit::access::Scope;
use service_kit::documented::{Invalid, NotFound, Unavailable};
use service_kit::extract::Path;
use shared_types::OrderId;
use std::sync::Arc;

/// Every status the order came to, oldest first. Customers see no internal note.
#[utoipa::path(get, path = "/api/orders/{id}/timeline", tag = "orders",
    params(("id" = i64, Path, description = "Number of the order", example = 1)),
    responses(
        (status = 200, description = "The timeline", body = [TimelineEntry]),
        Invalid, NotFound, Unavailable))]
pub async fn get_timeline(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<OrderId>,
) -> Result<Json<Vec<TimelineEntry>>, Error> {
    let mut conn = orders.db.pool().acquire().await?;
    store::timeline(&mut conn, scope, id).await?.map(Json).ok_or(Error::UnknownOrder(id))
}
