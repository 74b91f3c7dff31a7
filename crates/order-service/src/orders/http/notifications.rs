//! EDGE: what customers were told of their orders, and forgetting it.

use crate::notifications::{self, Notification};
use crate::orders::customer_keys;
use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::orders::store;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use service_kit::access::Scope;
use service_kit::contact::EmailAddress;
use service_kit::documented::{Invalid, NotFound, Unavailable};
use service_kit::extract::{Path, PlusKept, Query};
use service_kit::validation::FieldErrors;
use shared_types::OrderId;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// Every message about an order, in the order of its events.
#[utoipa::path(get, path = "/api/orders/{id}/notifications", tag = "notifications",
    params(("id" = i64, Path, description = "Number of the order", example = 1)),
    responses(
        (status = 200, description = "The messages, without their texts", body = [Notification]),
        Invalid, NotFound, Unavailable))]
pub async fn list_order_notifications(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<OrderId>,
) -> Result<Json<Vec<Notification>>, Error> {
    let found = notifications::of_order(orders.db.pool(), id).await?;
    // Whoever sees everything needs no order to see its messages: an event is enough for them.
    let unknown = found.is_empty() || scope.owner().is_some();
    if unknown && orders.reads.submit((id, scope)).await?.is_none() {
        return Err(Error::UnknownOrder(id));
    }
    Ok(Json(found))
}

/// Whose messages are to be erased.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct Whose {
    /// The customer's e-mail address, whatever the case of its letters and the spelling of its domain.
    #[param(required, value_type = String, max_length = 254, format = "email", example = "grace@example.com")]
    customer_email: Option<PlusKept>,
}

/// How much was erased.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Erased {
    /// Messages whose recipient and texts are gone.
    #[schema(example = 4)]
    erased: u64,
}

/// Erases recipients and texts of all messages to a customer, by e-mail and SMS, about their orders and their account; what
/// waits is not sent any more.
///
/// That there was a message, and what became of it, stays. What happened before and is not written down yet is not told any
/// more. Erasing again finds nothing left and answers 0. The orders stay as they are: what happens to them later is told to
/// the customer again. What cannot be an e-mail address is refused.
#[utoipa::path(delete, path = "/api/notifications", tag = "notifications",
    params(Whose),
    responses((status = 200, description = "How much was erased", body = Erased), Invalid, Unavailable))]
pub async fn erase_notifications(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Query(whose): Query<Whose>,
) -> Result<Json<Erased>, Error> {
    let customer_email = whose.customer_email.ok_or_else(|| FieldErrors::one("customerEmail", "is required"))?;
    let customer = EmailAddress::parse(&customer_email.0);
    let customer = customer.map_err(|error| FieldErrors::one("customerEmail", error))?;
    customer_keys::complete(&orders.db).await?;
    let mut transaction = orders.db.begin().await?;
    notifications::hold_up_writers(&mut transaction).await?;
    let (now, key) = (OffsetDateTime::now_utc(), customer.key());
    let theirs = store::ids_of_customer(&mut transaction, scope, &key).await?;
    let erased = notifications::erase(&mut transaction, now, &theirs, &key).await?;
    orders.db.commit(transaction).await?;
    Ok(Json(Erased { erased }))
}
