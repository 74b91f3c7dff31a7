//! EDGE: what the customer of an order was told.

use crate::notifications::{self, Notification};
use crate::orders::error::Error;
use crate::orders::state::Orders;
use axum::Json;
use axum::extract::State;
use service_kit::documented::{Invalid, NotFound, Unavailable};
use service_kit::extract::Path;
use shared_types::OrderId;
use std::sync::Arc;

/// Every message about an order, oldest first.
#[utoipa::path(get, path = "/api/orders/{id}/notifications", tag = "notifications",
    params(("id" = i64, Path, description = "Number of the order", example = 1)),
    responses(
        (status = 200, description = "The messages, without their texts", body = [Notification]),
        Invalid, NotFound, Unavailable))]
pub async fn list_order_notifications(
    State(orders): State<Arc<Orders>>,
    Path(id): Path<OrderId>,
) -> Result<Json<Vec<Notification>>, Error> {
    let found = notifications::of_order(orders.db.pool(), id).await?;
    if found.is_empty() && orders.reads.submit(id).await?.is_none() {
        return Err(Error::UnknownOrder(id));
    }
    Ok(Json(found))
}
