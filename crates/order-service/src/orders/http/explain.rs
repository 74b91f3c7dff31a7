//! EDGE: why an order stands where it stands.

use crate::notifications;
use crate::orders::error::Error;
use crate::orders::explain::{self, ExplainedOrder, Facts, Stock};
use crate::orders::state::Orders;
use crate::orders::store;
use crate::payments::{self, PaymentWithOperations};
use crate::schema::{OUTBOX, SCHEMA};
use axum::Json;
use axum::extract::State;
use service_kit::access::Scope;
use service_kit::admin::Admin;
use service_kit::dead_letters::DeadLetters;
use service_kit::documented::{Invalid, NotFound, ReadAfter, Unavailable};
use service_kit::extract::Path;
use service_kit::reading::{ReadConnection, Reader};
use shared_types::{OrderId, PaymentId};
use std::sync::Arc;
use time::OffsetDateTime;

/// Why an order stands where it stands, what it waits for, and what happens next
///
/// Customers see where their own order is. Operators see what inventory-service and the messages between the services say of
/// it, too, and what they can do.
#[utoipa::path(get, path = "/api/orders/{id}/explain", tag = "orders",
    params(("id" = i64, Path, description = "Number of the order", example = 1), ReadAfter),
    responses(
        (status = 200, description = "Why", body = ExplainedOrder),
        Invalid, NotFound, Unavailable))]
pub async fn explain_order(
    State(orders): State<Arc<Orders>>,
    State(admin): State<Admin>,
    scope: Scope,
    reader: Reader,
    Path(id): Path<OrderId>,
) -> Result<Json<ExplainedOrder>, Error> {
    let read = |mut conn: ReadConnection| async move {
        let Some(order) = store::find(&mut conn, scope, id).await? else { return Ok(None) };
        let timeline = store::timeline(&mut conn, scope, id).await?.unwrap_or_default();
        let payments = match order.payment {
            Some(_) => payments::of_order(&mut *conn, id).await?,
            None => Vec::new(),
        };
        Ok::<_, sqlx::Error>(Some((order, timeline, payments)))
    };
    let found = orders.db.read(&reader, read).await?;
    let (order, timeline, payments) = found.ok_or(Error::UnknownOrder(id))?;
    if scope.owner().is_some() {
        return Ok(Json(explain::for_customer(&order, &timeline, &payments)));
    }
    let ids: Vec<PaymentId> = payments.iter().map(|payment| payment.id).collect();
    let (ids, subject) = (&ids, &order.reference.to_string());
    let read = |mut conn: ReadConnection| async move {
        let operations = match ids.is_empty() {
            true => Vec::new(),
            false => payments::operations_of(&mut *conn, ids).await?,
        };
        let accepted = store::accepted::place_of(&mut *conn, id).await?;
        let letters = DeadLetters(SCHEMA).waiting_about(&mut *conn, subject).await?;
        let oldest_message = OUTBOX.oldest(&mut *conn).await?;
        let messages = notifications::of_order(&mut *conn, id).await?;
        Ok::<_, sqlx::Error>((operations, accepted, letters, oldest_message, messages))
    };
    let (operations, accepted, letters, oldest_message, messages) = orders.db.read(&reader, read).await?;
    let of = |id| operations.iter().filter(|operation| operation.payment_id == id).cloned().collect();
    let payments = payments.into_iter();
    let stock = if Facts::stock_matters(&order) {
        let asked = orders.inventory.explain(order.reference).await;
        asked.map_or_else(|error| Stock::Unknown(error.problem().detail), Stock::Known)
    } else {
        Stock::NotAsked
    };
    Ok(Json(explain::explain(&Facts {
        accepted,
        letters,
        oldest_message,
        broker: admin.broker.status(),
        payments: payments.map(|payment| PaymentWithOperations { operations: of(payment.id), payment }).collect(),
        messages,
        now: OffsetDateTime::now_utc(),
        order,
        timeline,
        stock,
    })))
}
