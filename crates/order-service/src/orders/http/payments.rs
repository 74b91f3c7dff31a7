//! EDGE: payments of orders over HTTP: open and pay them, look at them.

pub(super) mod findings;
pub(super) mod money;
pub(super) mod sessions;
pub(super) mod webhooks;

use super::documented::NotToBePaid;
use crate::orders::commands::pay;
use crate::orders::domain::Order;
use crate::orders::error::Error;
use crate::orders::paying;
use crate::orders::state::Orders;
use crate::orders::store;
use crate::payments::{self, Cause, Held, OpenPayment, Payment, PaymentStatus, PaymentWithOperations, Provider};
use crate::schema::IDEMPOTENCY;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_kit::access::Scope;
use service_kit::answer::{Answer, check_if_match};
use service_kit::documented::{
    Changed, IfMatch, IfNoneMatch, Invalid, InvalidBody, KeyReused, Keyed, NotFound, Paged, ReadAfter, Unavailable,
};
use service_kit::extract::{Json, Path};
use service_kit::idempotency::IdempotencyKey;
use service_kit::pagination::Filtered;
use service_kit::reading::{ReadConnection, Reader};
use service_kit::validation::FieldErrors;
use shared_types::{Money, OrderId, PaymentId};
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::IntoParams;

/// Opens the payment of an order by this method, or gives the one that is open
///
/// With `token`, the provider's name of the customer's means of payment, that is tried at once, again after a decline too; the answer
/// shows what came of it. Without, the customer pays on a page: `POST /api/payments/{id}/session`.
///
/// A payment by another method is closed, if nothing of it is under way. An order that is shipped or cancelled gets none.
#[utoipa::path(post, path = "/api/orders/{id}/payments", tag = "payments",
    request_body(content = OpenPayment, examples(
        ("At the door" = (value = json!({"method": "CASH_ON_DELIVERY"}))),
        ("By card, tried at once" = (value = json!({"method": "CARD", "token": "pm_card_visa"}))),
        ("By card, declined" = (value = json!({"method": "CARD", "token": "pm_card_chargeDeclined"}))))),
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
    let (requested, trial) = body.parse()?;
    let asked = orders.payments.asked(requested, "")?;
    if trial.is_some() && asked.provider != Provider::Stripe {
        return Err(FieldErrors::one("token", format!("is not for {}", asked.provider)).into());
    }
    let open = async |conn: &mut PgConnection, expected: &HeaderMap| {
        let mut order = store::lock(conn, scope, id).await?.ok_or(Error::UnknownOrder(id))?;
        check_if_match(expected, order.version)?;
        let now = OffsetDateTime::now_utc();
        let (mut held, is_new) = pay::open(conn, now, &mut order, asked, &orders.payments).await?;
        let job = match &trial {
            Some(trial) => {
                payments::try_means(conn, &mut held, trial).await?;
                Some(paying::take(&orders, conn, &mut held).await?)
            }
            None => None,
        };
        let payment = held.payment();
        let answer = match is_new {
            true => Answer::created(format!("/api/payments/{}", payment.id), &Pointer { payment: payment.id })?,
            false => Answer::ok(&Pointer { payment: payment.id })?,
        };
        Ok::<_, Error>((answer, job))
    };
    let mut job = None;
    let first = async |conn: &mut PgConnection| open(conn, &headers).await;
    let opened = match IDEMPOTENCY.once(&orders.db, &key, &body, first, |taken| job = taken).await {
        Err(Error::Payment(payments::Error::OtherOpen(other))) => {
            close_first(&orders, scope, id, other).await?;
            // What was closed just now has counted the version of the order that the client knows.
            let any = HeaderMap::new();
            let again = async |conn: &mut PgConnection| open(conn, &any).await;
            IDEMPOTENCY.once(&orders.db, &key, &body, again, |taken| job = taken).await?
        }
        opened => opened?,
    };
    if let Some(job) = job {
        paying::at_once(&orders, job).await;
    }
    as_it_is(&orders, id, opened).await
}

/// What was found of a payment, if there is such a payment.
fn known<Found>(id: PaymentId, found: Option<Found>) -> Result<Found, Error> {
    found.ok_or_else(|| payments::Error::UnknownPayment(id).into())
}

/// What is kept for a repeat of a request about money: what it is about, never what it was then.
#[derive(Serialize, Deserialize)]
struct Pointer {
    payment: PaymentId,
}

/// The answer to a call about a payment of this order: the payment as it is now, also where the call is a repeat.
async fn as_it_is(orders: &Orders, order: OrderId, answer: Answer) -> Result<Answer, Error> {
    let Pointer { payment: id } = serde_json::from_str(&answer.body)?;
    let mut conn = orders.db.pool().acquire().await?;
    let payment = known(id, payments::find(&mut *conn, order, id).await?)?;
    let shown = with_operations(&mut conn, payment).await?;
    let version = shown.payment.version;
    Ok(Answer { body: Answer::ok(&shown)?.body, ..answer }.with_version(version))
}

/// Has the provider close the payment that is open, where nothing of it is under way, so that another can be opened.
///
/// Where the provider closes nothing it is closed here, after a look: what is paid there all the same goes back.
async fn close_first(orders: &Arc<Orders>, scope: Scope, order: OrderId, other: PaymentId) -> Result<(), Error> {
    if let Some(payment) = payments::find(orders.db.pool(), order, other).await?
        && !payment.provider.can_close()
    {
        sessions::see_now(orders, scope, order, &payment).await?;
    }
    let mut transaction = orders.db.begin().await?;
    let found = store::lock(&mut transaction, scope, order).await?.ok_or(Error::UnknownOrder(order))?;
    let Some(mut held) = Held::lock(&mut transaction, order, other).await? else { return Ok(()) };
    let payment = held.payment();
    if payment.captured > Money::default() {
        return Err(payments::Error::AlreadyPaid(other).into());
    }
    if !matches!(payment.status, PaymentStatus::Created | PaymentStatus::Failed) {
        return Err(payments::Error::OtherOpen(other).into());
    }
    if !payment.provider.can_close() {
        payments::void(&mut transaction, OffsetDateTime::now_utc(), (found.reference, order), other).await?;
        orders.db.commit(transaction).await?;
        return Ok(());
    }
    payments::close(&mut transaction, &mut held, Cause::Manual).await?;
    let job = paying::take(orders, &mut transaction, &mut held).await?;
    orders.db.commit(transaction).await?;
    paying::at_once(orders, job).await;
    Ok(())
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
    let mut found = payments::of_order(&mut *conn, id).await?;
    found.reverse();
    Ok(axum::Json(all_with_operations(&mut conn, found).await?))
}

/// Which payments.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PaymentQuery {
    /// Only payments of this status.
    #[param(value_type = Option<PaymentStatus>)]
    status: Option<String>,
}

impl PaymentQuery {
    fn parse(self) -> Result<Option<PaymentStatus>, FieldErrors> {
        let status = self.status.map(|text| text.parse::<PaymentStatus>());
        status.transpose().map_err(|error| FieldErrors::one("status", error))
    }
}

/// The payments of all orders, newest first, each with what was done to its money
#[utoipa::path(get, path = "/api/payments", tag = "payments", params(PaymentQuery, Paged, ReadAfter),
    responses(
        (status = 200, description = "A page; `Link` names the next", body = [PaymentWithOperations], headers(("Link" = String, description = "The next page, rel=\"next\""))),
        Invalid, Unavailable))]
pub async fn list_payments(
    State(orders): State<Arc<Orders>>,
    reader: Reader,
    listed: Filtered<PaymentQuery>,
) -> Result<Response, Error> {
    let (page, status) = listed.checked(PaymentQuery::parse)?;
    let (after, limit) = (page.after, page.fetch());
    let read = |mut conn: ReadConnection| async move {
        let found = payments::page(&mut *conn, status, after, limit).await?;
        all_with_operations(&mut conn, found).await
    };
    let found = orders.db.read(&reader, read).await?;
    Ok(page.answer(found, |found| found.payment.id.0))
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
    let order = known(id, payments::order_of(&mut *conn, id).await?)?;
    let order = known(id, store::find(&mut conn, scope, order).await?)?;
    let payment = known(id, payments::find(&mut *conn, order.id, id).await?)?;
    let payment = with_operations(&mut conn, payment).await?;
    Ok(Answer::ok(&payment)?.with_version(payment.payment.version).unless_known(&headers))
}

async fn all_with_operations(
    conn: &mut PgConnection,
    found: Vec<Payment>,
) -> Result<Vec<PaymentWithOperations>, sqlx::Error> {
    let ids: Vec<PaymentId> = found.iter().map(|payment| payment.id).collect();
    let operations = payments::operations_of(conn, &ids).await?;
    let of = |id| operations.iter().filter(|operation| operation.payment_id == id).cloned().collect();
    Ok(found.into_iter().map(|payment| PaymentWithOperations { operations: of(payment.id), payment }).collect())
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
    let order = known(id, payments::order_of(&mut *conn, id).await?)?;
    let order = known(id, store::lock(conn, scope, order).await?)?;
    let payment = known(id, payments::find(conn, order.id, id).await?)?;
    check_if_match(headers, payment.version)?;
    Ok(order)
}
