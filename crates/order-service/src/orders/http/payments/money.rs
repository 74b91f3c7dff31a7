//! EDGE: what operators do with the money of a payment: collect it, give it back, call it off, decide about it.

use super::super::documented::MoneyStays;
use super::{Pointer, as_it_is, known, lock_order_of};
use crate::orders::commands::change::change_status;
use crate::orders::commands::pay;
use crate::orders::domain::Explanation;
use crate::orders::error::Error;
use crate::orders::paying;
use crate::orders::state::Orders;
use crate::payments::{
    self, Decision, Held, Operation, OperationStatus, PaymentStatus, PaymentWithOperations, Refund, RefundPayment,
    ReviewPayment, TakePayment,
};
use crate::schema::IDEMPOTENCY;
use axum::extract::State;
use axum::http::HeaderMap;
use service_kit::access::Caller;
use service_kit::answer::Answer;
use service_kit::documented::{Changed, IfMatch, InvalidBody, KeyReused, Keyed, NotFound, Unavailable};
use service_kit::extract::{Json, Path};
use service_kit::idempotency::IdempotencyKey;
use shared_types::{OrderStatus, PaymentId};
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// Notes that the money of an order was collected at the door
///
/// From CONFIRMED on, all that is owed at once.
#[utoipa::path(post, path = "/api/payments/{id}/collect", tag = "payments",
    request_body(content = Option<TakePayment>, example = json!({"reason": "Receipt 4711"})),
    params(("id" = i64, Path, description = "Number of the payment", example = 1), Keyed, IfMatch),
    responses(
        (status = 200, description = "What was done", body = Operation),
        InvalidBody, NotFound, MoneyStays, Changed, KeyReused, Unavailable))]
pub async fn collect_payment(
    State(orders): State<Arc<Orders>>,
    caller: Caller,
    Path(id): Path<PaymentId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    body: Option<Json<TakePayment>>,
) -> Result<Answer, Error> {
    let Json(body) = body.unwrap_or(Json(TakePayment::default()));
    let (amount, reason) = body.parse()?;
    let by = caller.principal.name();
    let collect = async |conn: &mut PgConnection| {
        let (now, mut order) = (OffsetDateTime::now_utc(), lock_order_of(conn, caller.scope, id, &headers).await?);
        if matches!(order.status, OrderStatus::Pending | OrderStatus::Paid) {
            return Err(Error::NotToBeCollected(order.status));
        }
        let of = (order.reference, order.id);
        let (payment, operation) = payments::collect(conn, now, of, id, amount, (reason.as_deref(), &by)).await?;
        pay::changed(conn, now, &mut order, &payment).await?;
        Ok::<_, Error>((Answer::ok(&operation)?, ()))
    };
    IDEMPOTENCY.once(&orders.db, &key, &body, collect, |()| {}).await
}

/// Gives money back, all or a part
///
/// What was collected at the door is paid out by people; this notes that they did. Of a cancelled order that is what waits to
/// be paid out. A provider is asked to give it back. While the sale stands, a refund lowers what the order owes. Never is more given
/// back than was taken.
///
/// Where a refund by a provider did not go through, the next one asks the provider again. With `"by": "HAND"` it notes that people
/// have paid the money out in another way, and nobody is asked. Otherwise that is 409.
#[utoipa::path(post, path = "/api/payments/{id}/refunds", tag = "payments",
    request_body(content = RefundPayment, examples(
        ("A part" = (value = json!({"amount": 5.00, "reason": "One piece was scratched"}))),
        ("Paid out in another way" = (value = json!({"reason": "Bank transfer 4711", "by": "HAND"}))))),
    params(("id" = i64, Path, description = "Number of the payment", example = 1), Keyed, IfMatch),
    responses(
        (status = 200, description = "It is done", body = Operation),
        (status = 202, description = "The provider has yet to do it", body = Operation),
        InvalidBody, NotFound, MoneyStays, Changed, KeyReused, Unavailable))]
pub async fn refund_payment(
    State(orders): State<Arc<Orders>>,
    caller: Caller,
    Path(id): Path<PaymentId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    Json(body): Json<RefundPayment>,
) -> Result<Answer, Error> {
    let (amount, reason, paid_out) = body.parse()?;
    let by = caller.principal.name();
    let refund = async |conn: &mut PgConnection| {
        let (now, mut order) = (OffsetDateTime::now_utc(), lock_order_of(conn, caller.scope, id, &headers).await?);
        let (of, refund) = ((order.reference, order.id), Refund { amount, reason: &reason, by: &by, paid_out });
        let (mut held, operation) = payments::refund(conn, now, of, id, refund).await?;
        pay::follow(conn, now, &mut order, Some(held.payment())).await?;
        let job = match operation.status {
            OperationStatus::Prepared => Some(paying::take(&orders, conn, &mut held).await?),
            _ => None,
        };
        Ok::<_, Error>((Answer::ok(&operation.id)?, job))
    };
    let decided = decide(&orders, &key, &body, refund).await?;
    let operation: Uuid = serde_json::from_str(&decided.body)?;
    let operations = payments::operations_of(orders.db.pool(), &[id]).await?;
    let operation = known(id, operations.into_iter().find(|it| it.id == operation))?;
    let shown = match operation.status.is_open() || operation.status == OperationStatus::Accepted {
        true => Answer::accepted(None, &operation)?,
        false => Answer::ok(&operation)?,
    };
    Ok(Answer { replayed: decided.replayed, ..shown })
}

/// Takes the money that is promised, all of it, before the goods go out
#[utoipa::path(post, path = "/api/payments/{id}/capture", tag = "payments",
    request_body(content = Option<TakePayment>, example = json!({"reason": "The goods are packed"})),
    params(("id" = i64, Path, description = "Number of the payment", example = 1), Keyed, IfMatch),
    responses(
        (status = 200, description = "The payment", body = PaymentWithOperations, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, MoneyStays, Changed, KeyReused, Unavailable))]
pub async fn capture_payment(
    State(orders): State<Arc<Orders>>,
    caller: Caller,
    Path(id): Path<PaymentId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    body: Option<Json<TakePayment>>,
) -> Result<Answer, Error> {
    let Json(body) = body.unwrap_or(Json(TakePayment::default()));
    let (amount, reason) = body.parse()?;
    let by = caller.principal.name();
    let capture = async |conn: &mut PgConnection| {
        let order = lock_order_of(conn, caller.scope, id, &headers).await?;
        let mut held = known(id, Held::lock(conn, order.id, id).await?)?;
        if order.status == OrderStatus::Cancelled {
            let not = "its order is cancelled";
            return Err(payments::Error::NotAllowed { id, status: held.payment().status, not }.into());
        }
        payments::capture_by_hand(conn, &mut held, amount, (reason.as_deref(), &by)).await?;
        let job = paying::take(&orders, conn, &mut held).await?;
        Ok::<_, Error>((Answer::ok(&Pointer { payment: id })?, Some(job)))
    };
    changed_payment(&orders, id, &key, &body, capture).await
}

/// Calls a payment off of which no money was taken, while its order waits for the money
///
/// One at the door is not called off (`invalid-transition`): cancel the order, or open a payment by another method.
#[utoipa::path(post, path = "/api/payments/{id}/void", tag = "payments",
    params(("id" = i64, Path, description = "Number of the payment", example = 1), Keyed, IfMatch),
    responses(
        (status = 200, description = "The payment", body = PaymentWithOperations, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, MoneyStays, Changed, KeyReused, Unavailable))]
pub async fn void_payment(
    State(orders): State<Arc<Orders>>,
    caller: Caller,
    Path(id): Path<PaymentId>,
    key: IdempotencyKey,
    headers: HeaderMap,
) -> Result<Answer, Error> {
    let void = async |conn: &mut PgConnection| {
        let (now, mut order) = (OffsetDateTime::now_utc(), lock_order_of(conn, caller.scope, id, &headers).await?);
        if order.status != OrderStatus::Pending {
            // An order that goes on has its payment, or is cancelled with it.
            return Err(Error::NotToBeVoided(order.status));
        }
        let asked = payments::void(conn, now, (order.reference, order.id), id).await?;
        let job = match asked {
            Some(mut held) => Some(paying::take(&orders, conn, &mut held).await?),
            None => None,
        };
        pay::follow(conn, now, &mut order, None).await?;
        Ok::<_, Error>((Answer::ok(&Pointer { payment: id })?, job))
    };
    changed_payment(&orders, id, &key, &(), void).await
}

/// Decides about a payment under review, whose provider showed what does not fit
#[utoipa::path(post, path = "/api/payments/{id}/review", tag = "payments",
    request_body(content = ReviewPayment, example = json!({"decision": "ACCEPT", "note": "The bank confirmed the amount"})),
    params(("id" = i64, Path, description = "Number of the payment", example = 1), Keyed, IfMatch),
    responses(
        (status = 200, description = "The payment", body = PaymentWithOperations, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, MoneyStays, Changed, KeyReused, Unavailable))]
pub async fn review_payment(
    State(orders): State<Arc<Orders>>,
    caller: Caller,
    Path(id): Path<PaymentId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    Json(body): Json<ReviewPayment>,
) -> Result<Answer, Error> {
    let (decision, note) = body.parse()?;
    let order = known(id, payments::order_of(orders.db.pool(), id).await?)?;
    let payment = known(id, payments::find(orders.db.pool(), order, id).await?)?;
    if payment.status != PaymentStatus::Review {
        let not = "it is not under review";
        return Err(payments::Error::NotAllowed { id, status: payment.status, not }.into());
    }
    // What is decided about is what the provider shows now.
    let shown = paying::look_now(&orders, &payment).await?;
    let review = async |conn: &mut PgConnection| {
        let (now, mut order) = (OffsetDateTime::now_utc(), lock_order_of(conn, caller.scope, id, &headers).await?);
        let mut held = payments::review(conn, now, (order.reference, order.id), id, shown.as_ref()).await?;
        if decision == Decision::Refund && order.status != OrderStatus::Cancelled {
            let explanation = Explanation { reason: None, internal_note: Some(note.clone()) };
            change_status(conn, now, &order, OrderStatus::Cancelled, explanation).await?;
            held = known(id, Held::lock(conn, order.id, id).await?)?;
        } else {
            pay::follow(conn, now, &mut order, Some(held.payment())).await?;
        }
        let job = paying::take(&orders, conn, &mut held).await?;
        Ok::<_, Error>((Answer::ok(&Pointer { payment: id })?, Some(job)))
    };
    changed_payment(&orders, id, &key, &body, review).await
}

/// Does what changes a payment once, works on it where there is something to send, and shows it as it is then.
async fn changed_payment(
    orders: &Arc<Orders>,
    id: PaymentId,
    key: &IdempotencyKey,
    body: &impl serde::Serialize,
    change: impl AsyncFnOnce(&mut PgConnection) -> Result<(Answer, Option<paying::Taken>), Error>,
) -> Result<Answer, Error> {
    let answer = decide(orders, key, body, change).await?;
    let order = known(id, payments::order_of(orders.db.pool(), id).await?)?;
    as_it_is(orders, order, answer).await
}

/// Decides something about a payment once, and works on it at once where there is something to send. Gives what is kept.
async fn decide(
    orders: &Arc<Orders>,
    key: &IdempotencyKey,
    body: &impl serde::Serialize,
    decision: impl AsyncFnOnce(&mut PgConnection) -> Result<(Answer, Option<paying::Taken>), Error>,
) -> Result<Answer, Error> {
    let mut job = None;
    let kept = IDEMPOTENCY.once(&orders.db, key, body, decision, |taken| job = taken).await?;
    if let Some(job) = job {
        paying::at_once(orders, job).await;
    }
    Ok(kept)
}
