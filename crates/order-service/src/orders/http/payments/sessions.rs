//! EDGE: what a shop's page needs on which a customer pays, and its word that they did.

use super::super::documented::NotToBePaid;
use super::{Pointer, as_it_is, known};
use crate::orders::commands::pay;
use crate::orders::error::Error;
use crate::orders::paying;
use crate::orders::state::Orders;
use crate::orders::store;
use crate::payments::{self, Answer as ProviderAnswer, ConfirmPayment, Held, PaymentWithOperations, Session};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use service_kit::access::Scope;
use service_kit::answer::Answer;
use service_kit::documented::{Invalid, InvalidBody, NotFound, Unavailable};
use service_kit::extract::{Json, Path};
use shared_types::{OrderId, PaymentId};
use std::sync::Arc;
use time::OffsetDateTime;

/// What the shop's page needs so that the customer pays there: card numbers go to the provider, never here
///
/// The provider is asked each time, and told of the payment if it does not know of it yet. The answer is for this customer alone,
/// and never kept.
#[utoipa::path(post, path = "/api/payments/{id}/session", tag = "payments",
    params(("id" = i64, Path, description = "Number of the payment", example = 1)),
    responses(
        (status = 200, description = "For the page", body = Session, headers(("Cache-Control" = String, description = "no-store"))),
        Invalid, NotFound, NotToBePaid, Unavailable))]
pub async fn open_session(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<PaymentId>,
) -> Result<Response, Error> {
    let order = known(id, payments::order_of(orders.db.pool(), id).await?)?;
    let mut transaction = orders.db.begin().await?;
    known(id, store::lock(&mut transaction, scope, order).await?)?;
    let mut held = known(id, Held::lock(&mut transaction, order, id).await?)?;
    let payment = held.payment();
    if payment.provider.is_on_delivery() || !payment.is_payable() {
        let not = "it is not paid on a page, or not any more";
        return Err(payments::Error::NotAllowed { id, status: payment.status, not }.into());
    }
    payments::announce(&mut transaction, &mut held).await?;
    let job = match held.payment().provider_id {
        // The page is about to pay: somebody looks soon, also where no webhook comes.
        Some(_) => None,
        None => Some(paying::take(&orders, &mut transaction, &mut held).await?),
    };
    if job.is_none() {
        payments::queue::expect(&mut transaction, id, order).await?;
    }
    orders.db.commit(transaction).await?;
    if let Some(job) = job {
        paying::at_once(&orders, job).await;
    }
    let payment = known(id, payments::find(orders.db.pool(), order, id).await?)?;
    match orders.payments.providers.session(&payment).await {
        ProviderAnswer::Done(session) => {
            let mut response = axum::Json(session).into_response();
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
        _ => Err(payments::Error::ProviderAway("the provider cannot be asked at the moment".to_owned()).into()),
    }
}

/// Says that the customer came back from the provider's page: the payment is looked at
///
/// What counts is what the provider shows. From Razorpay's checkout comes a signed triple, which is checked.
#[utoipa::path(post, path = "/api/payments/{id}/confirm", tag = "payments",
    request_body(content = Option<ConfirmPayment>, example = json!({})),
    params(("id" = i64, Path, description = "Number of the payment", example = 1)),
    responses(
        (status = 200, description = "The payment as it is now", body = PaymentWithOperations, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, NotToBePaid, Unavailable))]
pub async fn confirm_payment(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<PaymentId>,
    body: Option<Json<ConfirmPayment>>,
) -> Result<Answer, Error> {
    let Json(body) = body.unwrap_or(Json(ConfirmPayment::default()));
    let triple = body.parse()?;
    let order = known(id, payments::order_of(orders.db.pool(), id).await?)?;
    let mut conn = orders.db.pool().acquire().await?;
    known(id, store::find(&mut conn, scope, order).await?)?;
    let payment = known(id, payments::find(&mut *conn, order, id).await?)?;
    drop(conn);
    let triple = triple.as_ref().map(|(payment, signature)| (payment.as_str(), signature.as_str()));
    orders.payments.providers.check_return(&payment, triple)?;
    // Of one that is closed there is nothing to be seen that a customer waits for.
    if payment.provider_id.is_some() && payment.closed_at.is_none() {
        see_now(&orders, scope, order, &payment).await?;
    }
    as_it_is(&orders, order, Answer::ok(&Pointer { payment: id })?).await
}

/// Looks at a payment and notes what it shows.
pub(super) async fn see_now(
    orders: &Orders,
    scope: Scope,
    order: OrderId,
    payment: &payments::Payment,
) -> Result<(), Error> {
    let Some(shown) = paying::look_now(orders, payment).await? else { return Ok(()) };
    let mut transaction = orders.db.begin().await?;
    let mut order = known(payment.id, store::lock(&mut transaction, scope, order).await?)?;
    let mut held = known(payment.id, Held::lock(&mut transaction, order.id, payment.id).await?)?;
    pay::see(&mut transaction, OffsetDateTime::now_utc(), &mut order, &mut held, &shown).await?;
    orders.db.commit(transaction).await?;
    Ok(())
}
