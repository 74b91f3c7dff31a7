//! EDGE: the calls about the caller's own addresses.

use super::domain::{Address, AddressBody, DefaultBody};
use super::error::Error;
use super::state::Addresses;
use super::{commands, store};
use crate::schema::IDEMPOTENCY;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use service_kit::access::{Access, Guarded, Scope};
use service_kit::answer::{Answer, check_if_match};
use service_kit::documented::{
    Changed, IfMatch, IfNoneMatch, Invalid, InvalidBody, KeyReused, Keyed, NotFound, Unavailable,
};
use service_kit::documented_problems;
use service_kit::extract::{Json, Path};
use service_kit::idempotency::IdempotencyKey;
use sqlx::PgConnection;
use std::borrow::Cow;
use std::sync::Arc;
use utoipa_axum::routes;
use uuid::Uuid;

/// The calls about the caller's own addresses.
pub fn routes<S>() -> Guarded<S>
where
    Arc<Addresses>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Guarded::new()
        .add(Access::SELF, routes!(list_addresses, create_address))
        .add(Access::SELF, routes!(get_address, replace_address, delete_address))
        .add(Access::SELF, routes!(set_default_address))
        .add(Access::internal(&[Cow::Borrowed("order-service")]), routes!(get_address_of))
}

documented_problems! {
    /// There are as many as a person may have.
    TooMany { "409": "the account has 50 addresses already" }
}

/// The caller's addresses, the oldest first.
#[utoipa::path(get, path = "/api/accounts/me/addresses", tag = "addresses", responses(
    (status = 200, description = "All of them, 50 at the most", body = [Address]),
    Invalid, Unavailable))]
pub async fn list_addresses(State(addresses): State<Arc<Addresses>>, scope: Scope) -> Result<Answer, Error> {
    Ok(Answer::ok(&store::list(addresses.db.pool(), scope).await?)?)
}

/// Creates an address. The first one becomes the default for shipping and bills.
#[utoipa::path(post, path = "/api/accounts/me/addresses", tag = "addresses", params(Keyed), request_body = AddressBody,
    responses(
        (status = 201, description = "The address", body = Address, headers(("Location" = String, description = "Path of the address"), ("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, TooMany, KeyReused, Unavailable))]
pub async fn create_address(
    State(addresses): State<Arc<Addresses>>,
    scope: Scope,
    key: IdempotencyKey,
    Json(body): Json<AddressBody>,
) -> Result<Answer, Error> {
    let input = body.clone().parse()?;
    let create = async |conn: &mut PgConnection| {
        let address = commands::create(conn, scope, &input).await?;
        let location = format!("/api/accounts/me/addresses/{}", address.id);
        Ok::<_, Error>((Answer::created(location, &address)?.with_version(address.version), ()))
    };
    IDEMPOTENCY.once(&addresses.db, &key, &body, create, |()| {}).await
}

/// One of the caller's addresses.
#[utoipa::path(get, path = "/api/accounts/me/addresses/{id}", tag = "addresses",
    params(("id" = Uuid, Path, description = "Id of the address"), IfNoneMatch),
    responses(
        (status = 200, description = "The address", body = Address, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has it already"),
        Invalid, NotFound, Unavailable))]
pub async fn get_address(
    State(addresses): State<Arc<Addresses>>,
    scope: Scope,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let address = store::find(addresses.db.pool(), scope, id).await?.ok_or(Error::UnknownAddress(id))?;
    Ok(Answer::ok(&address)?.with_version(address.version).unless_known(&headers))
}

/// Replaces an address; label and region are taken away where they are left out. The defaults stay where they are.
#[utoipa::path(put, path = "/api/accounts/me/addresses/{id}", tag = "addresses",
    params(("id" = Uuid, Path, description = "Id of the address"), IfMatch), request_body = AddressBody,
    responses(
        (status = 200, description = "The address", body = Address, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, Changed, Unavailable))]
pub async fn replace_address(
    State(addresses): State<Arc<Addresses>>,
    scope: Scope,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    Json(body): Json<AddressBody>,
) -> Result<Answer, Error> {
    let input = body.parse()?;
    let mut transaction = addresses.db.begin().await?;
    let before = commands::lock(&mut transaction, scope, id).await?;
    check_if_match(&headers, before.version)?;
    let address = commands::replace(&mut transaction, scope, before, &input).await?;
    addresses.db.commit(transaction).await?;
    Ok(Answer::ok(&address)?.with_version(address.version))
}

/// Deletes an address. Where it was a default, the newest of the others becomes it. Orders keep their copy.
#[utoipa::path(delete, path = "/api/accounts/me/addresses/{id}", tag = "addresses",
    params(("id" = Uuid, Path, description = "Id of the address"), IfMatch),
    responses((status = 204, description = "It is deleted"), Invalid, NotFound, Changed, Unavailable))]
pub async fn delete_address(
    State(addresses): State<Arc<Addresses>>,
    scope: Scope,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let mut transaction = addresses.db.begin().await?;
    let address = commands::lock(&mut transaction, scope, id).await?;
    check_if_match(&headers, address.version)?;
    commands::delete(&mut transaction, scope, &address).await?;
    addresses.db.commit(transaction).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes an address the default for shipping, for bills, or for both; the one that was it before no longer is.
#[utoipa::path(put, path = "/api/accounts/me/addresses/{id}/default", tag = "addresses",
    params(("id" = Uuid, Path, description = "Id of the address"), IfMatch), request_body = DefaultBody,
    responses(
        (status = 200, description = "The address", body = Address, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, Changed, Unavailable))]
pub async fn set_default_address(
    State(addresses): State<Arc<Addresses>>,
    scope: Scope,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    Json(body): Json<DefaultBody>,
) -> Result<Answer, Error> {
    let defaults = body.parse()?;
    let mut transaction = addresses.db.begin().await?;
    let before = commands::lock(&mut transaction, scope, id).await?;
    check_if_match(&headers, before.version)?;
    let address = commands::make_default(&mut transaction, scope, id, defaults).await?;
    addresses.db.commit(transaction).await?;
    Ok(Answer::ok(&address)?.with_version(address.version))
}

/// An address of an account, for the order that is to be sent there.
#[utoipa::path(get, path = "/internal/accounts/{account}/addresses/{id}", tag = "internal",
    params(("account" = Uuid, Path, description = "Whose address it must be"), ("id" = Uuid, Path, description = "Id of the address")),
    responses((status = 200, description = "The address", body = Address), Invalid, NotFound, Unavailable))]
pub async fn get_address_of(
    State(addresses): State<Arc<Addresses>>,
    scope: Scope,
    Path((account, id)): Path<(Uuid, Uuid)>,
) -> Result<Answer, Error> {
    let theirs = scope.narrowed(account).ok_or(Error::UnknownAddress(id))?;
    let address = store::find(addresses.db.pool(), theirs, id).await?.ok_or(Error::UnknownAddress(id))?;
    Ok(Answer::ok(&address)?)
}
