//! EDGE: what the customer of an order was told.

use crate::notifications::domain::log::Notification;
use crate::notifications::error::Error;
use crate::notifications::state::Notifications;
use crate::notifications::store;
use crate::orders;
use axum::Json;
use axum::extract::State;
use service_kit::documented::{Invalid, NotFound, Unavailable};
use service_kit::extract::Path;
use service_kit::problem::Problem;
use shared_types::OrderId;
use std::sync::Arc;

/// Every message about an order, oldest first.
#[utoipa::path(get, path = "/api/orders/{id}/notifications", tag = "notifications",
    params(("id" = i64, Path, description = "Number of the order", example = 1)),
    responses(
        (status = 200, description = "The messages, without their texts", body = [Notification]),
        Invalid, NotFound, Unavailable))]
pub async fn list_order_notifications(
    State(notifications): State<Arc<Notifications>>,
    Path(id): Path<OrderId>,
) -> Result<Json<Vec<Notification>>, Error> {
    let pool = notifications.db.pool();
    let found = store::of_order(pool, id).await?;
    if found.is_empty() && orders::find_all(pool, &[id]).await?.is_empty() {
        return Err(Problem::not_found(format!("order {id}")).into());
    }
    Ok(Json(found))
}
