//! EDGE: an order without an account, by the link in the e-mails about it.

use crate::orders::commands::claim::{Claim, claim};
use crate::orders::domain::{ClaimOrder, Order};
use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::orders::store;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use service_kit::access::Scope;
use service_kit::answer::Answer;
use service_kit::documented::{InvalidBody, NotFound, Unavailable};
use service_kit::extract::{Json, Path};
use service_kit::problem::Problem;
use shared_types::OrderId;
use std::sync::Arc;
use time::OffsetDateTime;

/// The path is as good as a password: no browser may keep the page or tell the next site where it was.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// An order without an account, by the link in the e-mails about it.
///
/// Whatever is wrong with the token, the answer is the same 404: also where it has expired, which it does after 180 days, and
/// once the order was taken into an account.
#[utoipa::path(get, path = "/api/orders/guest/{token}", tag = "orders",
    params(("token" = String, Path, description = "From the link; nobody else should see it", format = "password", min_length = 60, max_length = 60, pattern = "^[0-9A-Za-z_-]{60}$")),
    responses((status = 200, description = "The order", body = Order), NotFound, Unavailable))]
pub async fn get_guest_order(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    token: Result<Path<String>, Problem>,
) -> Response {
    let find = async || {
        let id = order_of(&orders, token).await?;
        let order = orders.reads.submit((id, scope)).await?.filter(|order| order.customer_id.is_none());
        Ok::<_, Error>(Answer::ok(&*order.ok_or(Error::UnknownLink)?)?)
    };
    (HEADERS, find().await).into_response()
}

/// Takes an order into the customer's account, by the link and the code in the e-mails about it.
///
/// From then on the order is theirs alone, and the link shows it no longer. Again by the same customer changes nothing. A
/// wrong code is 400 `/problems/bad-code`. After five in a row none is looked at for an hour: 429 `/problems/too-many-tries`.
#[utoipa::path(post, path = "/api/orders/guest/{token}/claim", tag = "orders", request_body = ClaimOrder,
    params(("token" = String, Path, description = "From the link; nobody else should see it", format = "password", min_length = 60, max_length = 60, pattern = "^[0-9A-Za-z_-]{60}$")),
    responses(
        (status = 200, description = "The order, which is the customer's", body = Order, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, Unavailable))]
pub async fn claim_order(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    token: Result<Path<String>, Problem>,
    Json(body): Json<ClaimOrder>,
) -> Response {
    (HEADERS, claim_by(&orders, scope, token, body).await).into_response()
}

async fn claim_by(
    orders: &Orders,
    scope: Scope,
    token: Result<Path<String>, Problem>,
    body: ClaimOrder,
) -> Result<Answer, Error> {
    let code = body.parse()?;
    let id = order_of(orders, token).await?;
    let right = orders.links.is_code(id, &code).await?;
    let mut transaction = orders.db.begin().await?;
    let claimed = claim(&mut transaction, OffsetDateTime::now_utc(), scope, id, right).await?;
    let order = store::find(&mut transaction, scope, id).await?;
    orders.db.commit(transaction).await?;
    match claimed {
        Claim::Theirs => {
            let order = order.ok_or(Error::UnknownLink)?;
            Ok(Answer::ok(&order)?.with_version(order.version))
        }
        Claim::WrongCode => Err(Error::BadCode),
        Claim::TooManyWrong(seconds) => Err(Error::TooManyCodes(seconds)),
    }
}

async fn order_of(orders: &Orders, token: Result<Path<String>, Problem>) -> Result<OrderId, Error> {
    let Ok(Path(token)) = token else { return Err(Error::UnknownLink) };
    orders.links.order_of(OffsetDateTime::now_utc(), &token).await?.ok_or(Error::UnknownLink)
}
