//! EDGE: payments of orders over HTTP: open, look, collect, give back.

use super::documented::{MoneyStays, NotToBePaid};
use crate::orders::commands::pay;
use crate::orders::domain::Order;
use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::orders::store;
use crate::payments::{
    self, CollectPayment, OpenPayment, Operation, Payment, PaymentWithOperations, Refund, RefundPayment,
};
use crate::schema::IDEMPOTENCY;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use service_kit::access::{Caller, Scope};
use service_kit::answer::{Answer, check_if_match};
use service_kit::documented::{
    Changed, IfMatch, IfNoneMatch, Invalid, InvalidBody, KeyReused, Keyed, NotFound, Unavailable,
};
use service_kit::extract::{Json, Path};
use service_kit::idempotency::IdempotencyKey;
use shared_types::{OrderId, OrderStatus, PaymentId};
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;

/// Opens the payment of an order by this method, or gives the one that is open
///
/// A payment by another method is closed, if nothing of it is under way. An order that is shipped or cancelled gets none.
#[utoipa::path(post, path = "/api/orders/{id}/payments", tag = "payments",
    request_body(content = OpenPayment, example = json!({"method": "CASH_ON_DELIVERY"})),
    params(("id" = i64, Path, description = "Number of the order", example = 1), Keyed, IfMatch),
    responses(
        (status = 201, description = "Opened", body = PaymentWithOperations, headers(("Location" = String, description = "Path of the payment"), ("ETag" = String, description = "Its version"))),
        (status = 200, description = "It was open before", body = PaymentWithOperations, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, NotToBePaid, Changed, KeyReused, Unavailable))]
pub async fn open_payment(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<OrderId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    Json(body): Json<OpenPayment>,
) -> Result<Answer, Error> {
    let asked = body.parse()?;
    let open = async |conn: &mut PgConnection| {
        let order = store::lock(conn, scope, id).await?.ok_or(Error::UnknownOrder(id))?;
        let currency = orders.payments.needed_currency("method")?;
        check_if_match(&headers, order.version)?;
        let (payment, is_new) = pay::open(conn, OffsetDateTime::now_utc(), &order, asked, currency).await?;
        let payment = with_operations(conn, payment).await?;
        let version = payment.payment.version;
        let answer = match is_new {
            true => Answer::created(format!("/api/payments/{}", payment.payment.id), &payment)?,
            false => Answer::ok(&payment)?,
        };
        Ok::<_, Error>((answer.with_version(version), ()))
    };
    IDEMPOTENCY.once(&orders.db, &key, &body, open, |()| {}).await
}

/// The payments of an order, oldest first, each with what was done to its money
#[utoipa::path(get, path = "/api/orders/{id}/payments", tag = "payments",
    params(("id" = i64, Path, description = "Number of the order", example = 1)),
    responses(
        (status = 200, description = "The payments", body = [PaymentWithOperations]),
        Invalid, NotFound, Unavailable))]
pub async fn list_order_payments(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<OrderId>,
) -> Result<axum::Json<Vec<PaymentWithOperations>>, Error> {
    let mut conn = orders.db.pool().acquire().await?;
    store::find(&mut conn, scope, id).await?.ok_or(Error::UnknownOrder(id))?;
    let found = payments::of_order(&mut *conn, id).await?;
    let ids: Vec<PaymentId> = found.iter().map(|payment| payment.id).collect();
    let operations = payments::operations_of(&mut *conn, &ids).await?;
    let of = |id| operations.iter().filter(|operation| operation.payment_id == id).cloned().collect();
    let found = found.into_iter().rev();
    Ok(axum::Json(found.map(|payment| PaymentWithOperations { operations: of(payment.id), payment }).collect()))
}

/// A payment with what was done to its money
#[utoipa::path(get, path = "/api/payments/{id}", tag = "payments",
    params(("id" = i64, Path, description = "Number of the payment", example = 1), IfNoneMatch),
    responses(
        (status = 200, description = "The payment", body = PaymentWithOperations, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has this version"),
        Invalid, NotFound, Unavailable))]
pub async fn get_payment(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<PaymentId>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let mut conn = orders.db.pool().acquire().await?;
    let unknown = || Error::Payment(payments::Error::UnknownPayment(id));
    let order = payments::order_of(&mut *conn, id).await?.ok_or_else(unknown)?;
    let order = store::find(&mut conn, scope, order).await?.ok_or_else(unknown)?;
    let payment = payments::find(&mut *conn, order.id, id).await?.ok_or_else(unknown)?;
    let payment = with_operations(&mut conn, payment).await?;
    Ok(Answer::ok(&payment)?.with_version(payment.payment.version).unless_known(&headers))
}

async fn with_operations(conn: &mut PgConnection, payment: Payment) -> Result<PaymentWithOperations, Error> {
    let operations = payments::operations_of(conn, &[payment.id]).await?;
    Ok(PaymentWithOperations { payment, operations })
}

/// The order of a payment, locked, where the payment has the version that `If-Match` names: it changes under this lock only.
async fn lock_order_of(
    conn: &mut PgConnection,
    scope: Scope,
    id: PaymentId,
    headers: &HeaderMap,
) -> Result<Order, Error> {
    let unknown = || Error::Payment(payments::Error::UnknownPayment(id));
    let order = payments::order_of(&mut *conn, id).await?.ok_or_else(unknown)?;
    let order = store::lock(conn, scope, order).await?.ok_or_else(unknown)?;
    let payment = payments::find(conn, order.id, id).await?.ok_or_else(unknown)?;
    check_if_match(headers, payment.version)?;
    Ok(order)
}

/// Notes that the money of an order was collected at the door
///
/// From CONFIRMED on, all that is owed at once.
#[utoipa::path(post, path = "/api/payments/{id}/collect", tag = "payments",
    request_body(content = Option<CollectPayment>, example = json!({"reason": "Receipt 4711"})),
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
    body: Option<Json<CollectPayment>>,
) -> Result<Answer, Error> {
    let Json(body) = body.unwrap_or(Json(CollectPayment::default()));
    let (amount, reason) = body.parse()?;
    let by = caller.principal.name();
    let collect = async |conn: &mut PgConnection| {
        let (now, order) = (OffsetDateTime::now_utc(), lock_order_of(conn, caller.scope, id, &headers).await?);
        if matches!(order.status, OrderStatus::Pending | OrderStatus::Paid) {
            return Err(Error::NotToBeCollected(order.status));
        }
        let of = (order.reference, order.id);
        let (payment, operation) = payments::collect(conn, now, of, id, amount, (reason.as_deref(), &by)).await?;
        pay::changed(conn, now, &order, &payment).await?;
        Ok::<_, Error>((Answer::ok(&operation)?, ()))
    };
    IDEMPOTENCY.once(&orders.db, &key, &body, collect, |()| {}).await
}

/// Gives money back, all or a part
///
/// What was collected at the door is paid out by people; this notes that they did. Of a cancelled order that is what waits to
/// be paid out. While the sale stands, a refund lowers what the order owes. Never is more given back than was taken.
#[utoipa::path(post, path = "/api/payments/{id}/refunds", tag = "payments",
    request_body(content = RefundPayment, example = json!({"amount": 5.00, "reason": "One piece was scratched"})),
    params(("id" = i64, Path, description = "Number of the payment", example = 1), Keyed, IfMatch),
    responses(
        (status = 200, description = "What was done", body = Operation),
        InvalidBody, NotFound, MoneyStays, Changed, KeyReused, Unavailable))]
pub async fn refund_payment(
    State(orders): State<Arc<Orders>>,
    caller: Caller,
    Path(id): Path<PaymentId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    Json(body): Json<RefundPayment>,
) -> Result<Answer, Error> {
    let (amount, reason) = body.parse()?;
    let by = caller.principal.name();
    let refund = async |conn: &mut PgConnection| {
        let (now, order) = (OffsetDateTime::now_utc(), lock_order_of(conn, caller.scope, id, &headers).await?);
        let (of, refund) = ((order.reference, order.id), Refund { amount, reason: &reason, by: &by });
        let (payment, operation) = payments::refund(conn, now, of, id, refund).await?;
        pay::changed(conn, now, &order, &payment).await?;
        Ok::<_, Error>((Answer::ok(&operation)?, ()))
    };
    IDEMPOTENCY.once(&orders.db, &key, &body, refund, |()| {}).await
}
