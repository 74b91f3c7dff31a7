//! EDGE: orders over HTTP: place, look, change.

mod documented;
mod explain;
mod filter;
mod guests;
mod notifications;
mod payments;
mod timeline;

use self::documented::{CannotBeSold, NotAllowed, Preferring, UnknownProductOrKeyReused};
use self::filter::ListFilter;
use super::commands::change as command;
use super::domain::{CancelOrder, ChangeStatus, Order, PatchOrder, PlaceOrder};
use super::placing::addresses::{self, LookUp};
use super::placing::requests::{self, PlacementRequest};
use super::state::Orders;
use super::store::{self, Filter};
use crate::failure_point;
use crate::orders::customer_keys;
use crate::orders::error::Error;
use crate::schema::IDEMPOTENCY;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use service_kit::access::{Access, Guarded, Scope};
use service_kit::admin::Admin;
use service_kit::answer::{Answer, check_if_match};
use service_kit::contact::EmailAddress;
use service_kit::documented::{
    Changed, IfMatch, IfNoneMatch, Invalid, InvalidBody, KeyReused, Keyed, NotFound, Paged, ReadAfter, Unavailable,
};
use service_kit::extract::{Json, Path};
use service_kit::fault::Fault;
use service_kit::idempotency::{Fingerprint, IdempotencyKey};
use service_kit::pagination::{Filtered, Page};
use service_kit::prefer::Prefer;
use service_kit::reading::{ReadConnection, Reader};
use service_kit::validation::FieldErrors;
use shared_types::{OrderId, OrderStatus};
use sqlx::PgConnection;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use utoipa_axum::routes;

/// How long a client waits for its order before it is told to try again.
const PLACEMENT_PATIENCE: Duration = Duration::from_millis(2800);

/// The calls about orders.
pub fn routes<S>() -> Guarded<S>
where
    Arc<Orders>: FromRef<S>,
    Admin: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    let own = |scope| Access::OWNERS.with_scope(scope);
    let all = |scope| Access::OPERATORS.with_scope(scope);
    let routes = Guarded::new()
        .add(own("orders:place").and_guests(), routes!(place_order))
        .add(own("orders:read"), routes!(list_orders))
        .add(own("orders:read"), routes!(get_order))
        .add(own("orders:write"), routes!(patch_order))
        .add(all("orders:write"), routes!(list_orders_by_status))
        .add(all("orders:write"), routes!(list_orders_by_customer))
        .add(all("orders:write"), routes!(change_status))
        .add(own("orders:cancel"), routes!(cancel_order))
        .add(own("orders:read"), routes!(timeline::get_timeline))
        .add(own("payments:write"), routes!(payments::open_payment))
        .add(own("payments:read"), routes!(payments::list_order_payments))
        .add(all("payments:read"), routes!(payments::list_payments))
        .add(own("payments:read"), routes!(payments::get_payment))
        .add(own("payments:write"), routes!(payments::sessions::open_session))
        .add(own("payments:write"), routes!(payments::sessions::confirm_payment))
        .add(all("payments:write"), routes!(payments::money::collect_payment))
        .add(all("payments:write"), routes!(payments::money::refund_payment))
        .add(all("payments:write"), routes!(payments::money::capture_payment))
        .add(all("payments:write"), routes!(payments::money::void_payment))
        .add(all("payments:write"), routes!(payments::money::review_payment))
        .add(all("payments:read"), routes!(payments::findings::list_findings))
        .add(all("payments:write"), routes!(payments::findings::resolve_finding))
        .add(all("payments:write"), routes!(payments::findings::reconcile_day))
        .add(Access::PUBLIC, routes!(payments::webhooks::take_stripe_event))
        .add(Access::PUBLIC, routes!(payments::webhooks::take_razorpay_event))
        .add(Access::PUBLIC, routes!(guests::get_guest_order))
        .add(Access::CUSTOMERS, routes!(guests::claim_order))
        .add(own("orders:read"), routes!(explain::explain_order))
        .add(Access::OWNERS, routes!(notifications::list_order_notifications))
        .add(Access::OPERATORS, routes!(notifications::erase_notifications));
    routes.described(|document| {
        // One handler serves both verbs, but no two operations may have the same id.
        let status = document.paths.paths.get_mut("/api/orders/{id}/status");
        if let Some(patch) = status.and_then(|path| path.patch.as_mut()) {
            patch.operation_id = Some("patch_status".to_owned());
        }
    })
}

/// Places an order: holds its stock and writes it, or refuses it as a whole.
///
/// With an `Idempotency-Key` a repeat gets the first answer again. Prices are those of the moment of sale; with
/// `expectedTotal`, or `unitPrice` in a line, the order is refused at others (`/problems/total-changed`).
///
/// A customer may name one of their own addresses by `shippingAddressId`, which account-service is then asked for; 503 while that
/// is away. The order keeps a copy.
///
/// With `Prefer: respond-async` the order is taken at once and placed afterwards, also while inventory-service is
/// away. It stays PENDING without prices until it is placed; when it cannot be, it becomes CANCELLED, with the reason
/// in its timeline, also where its prices are not the expected ones.
///
/// With `payment` the order is to be paid by that method. An order that is paid at the door (`CASH_ON_DELIVERY`) goes on as any
/// other; its money is noted by `POST /api/payments/{id}/collect`. Any other is confirmed once it is paid, by
/// `POST /api/orders/{id}/payments` or on a page with `POST /api/payments/{id}/session`, and cancelled after `payment.payBy`.
#[utoipa::path(post, path = "/api/orders", tag = "orders",
    request_body(content = PlaceOrder, example = json!({
        "customerName": "Ada Lovelace", "customerEmail": "ada@example.com", "customerPhone": "+44 20 7946 0000",
        "shippingAddress": "12 St James's Square, London", "note": "Please ring twice",
        "items": [{"productId": 1, "quantity": 2, "unitPrice": 2499.99}], "expectedTotal": 4999.98
    })),
    params(Keyed, Preferring),
    responses(
        (status = 201, description = "Placed", body = Order, headers(("Location" = String, description = "Path of the order"), ("ETag" = String, description = "Its version"))),
        (status = 202, description = "Accepted with `Prefer: respond-async`, to be placed", body = Order, headers(("Location" = String, description = "Path of the order"), ("ETag" = String, description = "Its version"), ("Preference-Applied" = String, description = "respond-async"))),
        InvalidBody, CannotBeSold, UnknownProductOrKeyReused, Unavailable))]
pub async fn place_order(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    key: IdempotencyKey,
    prefer: Prefer,
    Json(body): Json<PlaceOrder>,
) -> Result<Response, Error> {
    let fingerprint = Fingerprint::of(&body)?;
    let (mut order, address_id) = body.parse()?;
    order.payment = orders.payments.wanted_by_order(order.payment)?;
    if order.payment.is_some() && prefer.respond_async {
        return Err(FieldErrors::one("payment", "cannot be asked for with Prefer: respond-async").into());
    }
    let place = async {
        if let Some(id) = address_id {
            // In a box: few orders need it, and all would carry it.
            match Box::pin(addresses::look_up(&orders, scope, &key, &fingerprint, id)).await? {
                LookUp::Answered(answer) => return Ok(answer),
                LookUp::Address(address) => order.shipping_address = address,
            }
        }
        let placement = PlacementRequest::new(order, scope, key, fingerprint, OffsetDateTime::now_utc());
        let queue = if prefer.respond_async { &orders.acceptances } else { &orders.placements };
        requests::submit(queue, placement).await
    };
    let answer = tokio::time::timeout(PLACEMENT_PATIENCE, place)
        .await
        .map_err(|_| Fault::Overloaded("placing the order took too long; try again"))??;
    failure_point::reached("before-answer").await;
    let accepted = answer.status == StatusCode::ACCEPTED.as_u16();
    let mut response = answer.into_response();
    if accepted {
        response.headers_mut().insert("preference-applied", HeaderValue::from_static("respond-async"));
    }
    Ok(response)
}

/// Orders, newest first; to customers their own.
#[utoipa::path(get, path = "/api/orders", tag = "orders",
    params(ListFilter, Paged, ReadAfter),
    responses(
        (status = 200, description = "A page; `Link` names the next", body = [Order], headers(("Link" = String, description = "The next page, rel=\"next\""))),
        Invalid, Unavailable))]
pub async fn list_orders(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    reader: Reader,
    listed: Filtered<ListFilter>,
) -> Result<Response, Error> {
    let (page, filter) = listed.checked(ListFilter::parse)?;
    list(&orders, scope, reader, &page, &filter).await
}

/// Orders of one status, newest first.
#[utoipa::path(get, path = "/api/orders/status/{status}", tag = "orders",
    params(("status" = OrderStatus, Path, description = "The status"), Paged, ReadAfter),
    responses(
        (status = 200, description = "A page; `Link` names the next", body = [Order], headers(("Link" = String, description = "The next page, rel=\"next\""))),
        Invalid, Unavailable))]
pub async fn list_orders_by_status(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    reader: Reader,
    page: Page,
    Path(status): Path<String>,
) -> Result<Response, Error> {
    let status = status.parse().map_err(|error| FieldErrors::one("status", error))?;
    list(&orders, scope, reader, &page, &Filter { status: Some(status), ..Filter::default() }).await
}

/// Orders of one customer, newest first, whatever the case of the address.
#[utoipa::path(get, path = "/api/orders/customer/{email}", tag = "orders",
    params(("email" = String, Path, max_length = 254, format = "email", description = "The customer's e-mail address", example = "ada@example.com"), Paged, ReadAfter),
    responses(
        (status = 200, description = "A page; `Link` names the next", body = [Order], headers(("Link" = String, description = "The next page, rel=\"next\""))),
        Invalid, Unavailable))]
pub async fn list_orders_by_customer(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    reader: Reader,
    page: Page,
    Path(email): Path<String>,
) -> Result<Response, Error> {
    let customer = EmailAddress::parse(&email).map_err(|error| FieldErrors::one("email", error))?;
    list(&orders, scope, reader, &page, &Filter { customer_key: Some(customer.key()), ..Filter::default() }).await
}

async fn list(
    orders: &Orders,
    scope: Scope,
    mut reader: Reader,
    page: &Page,
    filter: &Filter,
) -> Result<Response, Error> {
    // Orders that an instance of the build before has just written may lack the key. They are next to none.
    if filter.customer_key.as_deref().is_some_and(|key| !key.is_ascii() || key.contains("xn--")) {
        customer_keys::complete(&orders.db).await?;
        reader = Reader::of_everything();
    }
    let (after, limit) = (page.after, page.fetch());
    let read = |mut conn: ReadConnection| async move { store::list(&mut conn, scope, filter, after, limit).await };
    let found = match orders.db.read(&reader, read).await {
        // The order that the page is behind is archived, and so are all before it.
        Err(sqlx::Error::RowNotFound) => Vec::new(),
        found => found?,
    };
    Ok(page.answer(found, |order| order.id))
}

/// One order.
#[utoipa::path(get, path = "/api/orders/{id}", tag = "orders",
    params(("id" = i64, Path, description = "Number of the order", example = 1), IfNoneMatch),
    responses(
        (status = 200, description = "The order", body = Order, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has this version"),
        Invalid, NotFound, Unavailable))]
pub async fn get_order(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<OrderId>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let order = orders.reads.submit((id, scope)).await?.ok_or(Error::UnknownOrder(id))?;
    Ok(Answer::ok(&*order)?.with_version(order.version).unless_known(&headers))
}

/// Changes fields of an order until it is shipped or cancelled (JSON Merge Patch, RFC 7396); null removes one.
///
/// Only what the body is documented to have can be patched.
#[utoipa::path(patch, path = "/api/orders/{id}", tag = "orders",
    request_body(content((PatchOrder = "application/merge-patch+json"), (PatchOrder = "application/json"))),
    params(("id" = i64, Path, description = "Number of the order", example = 1), IfMatch),
    responses(
        (status = 200, description = "The order", body = Order, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, NotAllowed, Changed, Unavailable))]
pub async fn patch_order(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<OrderId>,
    headers: HeaderMap,
    Json(body): Json<PatchOrder>,
) -> Result<Answer, Error> {
    let patch = body.parse()?;
    let mut transaction = orders.db.begin().await?;
    let order = store::lock(&mut transaction, scope, id).await?.ok_or(Error::UnknownOrder(id))?;
    check_if_match(&headers, order.version)?;
    command::patch(&mut transaction, &order, patch).await?;
    let order = store::find(&mut transaction, scope, id).await?.ok_or(Error::UnknownOrder(id))?;
    orders.db.commit(transaction).await?;
    Ok(Answer::ok(&order)?.with_version(order.version))
}

/// Moves an order on. Forwards is allowed, also skipping; the same status again changes nothing.
///
/// An order that is still PENDING first gets its stock committed: one whose stock was released cannot move on.
#[utoipa::path(method(put, patch), path = "/api/orders/{id}/status", tag = "orders", 
    request_body(content = ChangeStatus, example = json!({"status": "SHIPPED", "reason": "Handed over to the carrier"})),
    params(("id" = i64, Path, description = "Number of the order", example = 1), IfMatch),
    responses(
        (status = 200, description = "The order", body = Order, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, NotAllowed, Changed, Unavailable))]
pub async fn change_status(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<OrderId>,
    headers: HeaderMap,
    Json(body): Json<ChangeStatus>,
) -> Result<Answer, Error> {
    let (status, explanation) = body.parse()?;
    let mut transaction = orders.db.begin().await?;
    let mut order = store::lock(&mut transaction, scope, id).await?.ok_or(Error::UnknownOrder(id))?;
    check_if_match(&headers, order.version)?;
    if order.needs_commit_for(status) {
        // Asked for without the lock. What is committed is not released by hand any more.
        transaction.rollback().await?;
        if !orders.inventory.commit(order.reference).await? {
            return Err(Error::StockReleased(id));
        }
        transaction = orders.db.begin().await?;
        order = store::lock(&mut transaction, scope, id).await?.ok_or(Error::UnknownOrder(id))?;
        check_if_match(&headers, order.version)?;
    }
    command::change_status(&mut transaction, OffsetDateTime::now_utc(), &order, status, explanation).await?;
    let order = store::find(&mut transaction, scope, id).await?.ok_or(Error::UnknownOrder(id))?;
    orders.db.commit(transaction).await?;
    Ok(Answer::ok(&order)?.with_version(order.version))
}

/// Calls an order off before it is shipped; its stock comes back. Cancelling again changes nothing.
#[utoipa::path(post, path = "/api/orders/{id}/cancel", tag = "orders", request_body = Option<CancelOrder>,
    params(("id" = i64, Path, description = "Number of the order", example = 1), Keyed, IfMatch),
    responses(
        (status = 200, description = "The order", body = Order, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, NotAllowed, Changed, KeyReused, Unavailable))]
pub async fn cancel_order(
    State(orders): State<Arc<Orders>>,
    scope: Scope,
    Path(id): Path<OrderId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    body: Option<Json<CancelOrder>>,
) -> Result<Answer, Error> {
    let Json(body) = body.unwrap_or(Json(CancelOrder::default()));
    let explanation = body.parse()?;
    if scope.owner().is_some() && explanation.internal_note.is_some() {
        return Err(FieldErrors::one("internalNote", "is for operators alone").into());
    }
    let cancel = async |conn: &mut PgConnection| {
        let order = store::lock(conn, scope, id).await?.ok_or(Error::UnknownOrder(id))?;
        check_if_match(&headers, order.version)?;
        let (now, cancelled) = (OffsetDateTime::now_utc(), OrderStatus::Cancelled);
        command::change_status(conn, now, &order, cancelled, explanation).await?;
        let order = store::find(conn, scope, id).await?.ok_or(Error::UnknownOrder(id))?;
        Ok::<_, Error>((Answer::ok(&order)?.with_version(order.version), ()))
    };
    IDEMPOTENCY.once(&orders.db, &key, &body, cancel, |()| {}).await
}
