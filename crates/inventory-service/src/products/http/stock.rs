//! EDGE: stock that comes in, goes out or is counted by hand, how much there is, and whether there is enough.

use super::documented::{CountedTooFew, StockLimitOrKeyReused};
use super::{Product, Products, commands, store};
use crate::products::error::Error;
use crate::schema::IDEMPOTENCY;
use crate::stock::{self, CountBody, InsufficientStock, StockChangeBody, StockOnHand};
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use service_kit::answer::{Answer, check_if_match};
use service_kit::documented::{Changed, IfMatch, Invalid, InvalidBody, KeyReused, Keyed, NotFound, Unavailable};
use service_kit::extract::{Json, Path, Query};
use service_kit::idempotency::IdempotencyKey;
use service_kit::validation::FieldErrors;
use shared_types::ProductId;
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// Adds stock that came in.
#[utoipa::path(post, path = "/api/inventory/products/{id}/add-stock", tag = "stock",
    params(("id" = i64, Path, description = "Number of the product", example = 1), Keyed, IfMatch),
    request_body = StockChangeBody,
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, Changed, StockLimitOrKeyReused, Unavailable))]
pub async fn add_stock(
    State(products): State<Arc<Products>>,
    Path(id): Path<ProductId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    Json(body): Json<StockChangeBody>,
) -> Result<Answer, Error> {
    let change = body.clone().incoming()?;
    let add = async |conn: &mut PgConnection| {
        let before = commands::lock(conn, id).await?;
        check_if_match(&headers, before.version)?;
        stock::add(conn, OffsetDateTime::now_utc(), &before.stock_level(), before.reserved, change).await?;
        let product = store::find(conn, id).await?.ok_or(Error::UnknownProduct(id))?;
        Ok::<_, Error>((Answer::ok(&product)?.with_version(product.version), ()))
    };
    IDEMPOTENCY.once(&products.db, &key, &body, add, |()| products.changed([id])).await
}

/// Takes stock out, if there is enough.
#[utoipa::path(post, path = "/api/inventory/products/{id}/reduce-stock", tag = "stock",
    params(("id" = i64, Path, description = "Number of the product", example = 1), Keyed, IfMatch),
    request_body(content = StockChangeBody,
        example = json!({"quantity": 1, "reason": "broken in the warehouse", "reference": "INC-7"})),
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, InsufficientStock, Changed, KeyReused, Unavailable))]
pub async fn reduce_stock(
    State(products): State<Arc<Products>>,
    Path(id): Path<ProductId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    Json(body): Json<StockChangeBody>,
) -> Result<Answer, Error> {
    let change = body.clone().outgoing()?;
    let reduce = async |conn: &mut PgConnection| {
        let before = commands::lock(conn, id).await?;
        check_if_match(&headers, before.version)?;
        stock::reduce(conn, OffsetDateTime::now_utc(), &before.stock_level(), change).await?;
        let product = store::find(conn, id).await?.ok_or(Error::UnknownProduct(id))?;
        Ok::<_, Error>((Answer::ok(&product)?.with_version(product.version), ()))
    };
    IDEMPOTENCY.once(&products.db, &key, &body, reduce, |()| products.changed([id])).await
}

/// Sets what was counted on the shelf; what is promised stays promised.
///
/// `counted` is on hand: those that wait to be shipped are among them. The difference is an adjustment.
#[utoipa::path(post, path = "/api/inventory/products/{id}/count", tag = "stock",
    params(("id" = i64, Path, description = "Number of the product", example = 1), Keyed, IfMatch),
    request_body = CountBody,
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, CountedTooFew, Changed, StockLimitOrKeyReused, Unavailable))]
pub async fn count_stock(
    State(products): State<Arc<Products>>,
    Path(id): Path<ProductId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    Json(body): Json<CountBody>,
) -> Result<Answer, Error> {
    let counted = body.clone().parse()?;
    let count = async |conn: &mut PgConnection| {
        let before = commands::lock(conn, id).await?;
        check_if_match(&headers, before.version)?;
        stock::count(conn, OffsetDateTime::now_utc(), &before.stock_level(), before.reserved, counted).await?;
        let product = store::find(conn, id).await?.ok_or(Error::UnknownProduct(id))?;
        Ok::<_, Error>((Answer::ok(&product)?.with_version(product.version), ()))
    };
    IDEMPOTENCY.once(&products.db, &key, &body, count, |()| products.changed([id])).await
}

/// How many pieces can be promised, wait to be shipped, and lie on the shelf.
#[utoipa::path(get, path = "/api/inventory/products/{id}/stock", tag = "stock",
    params(("id" = i64, Path, description = "Number of the product", example = 1)),
    responses((status = 200, description = "The stock", body = StockOnHand), Invalid, NotFound, Unavailable))]
pub async fn get_stock(
    State(products): State<Arc<Products>>,
    Path(id): Path<ProductId>,
) -> Result<axum::Json<StockOnHand>, Error> {
    let product = store::find(products.db.pool(), id).await?.ok_or(Error::UnknownProduct(id))?;
    Ok(axum::Json(product.on_hand()))
}

/// How many pieces are wanted.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StockQuery {
    /// Pieces.
    #[param(value_type = i32, required, minimum = 1, maximum = 2_147_483_647, example = 3)]
    pub quantity: Option<i64>,
}

impl StockQuery {
    fn parse(self) -> Result<i32, FieldErrors> {
        let mut errors = FieldErrors::default();
        let quantity = errors.required_number("quantity", self.quantity, 1..=i32::MAX);
        errors.into_result(quantity)
    }
}

/// Whether there is enough.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockCheck {
    /// Whether that many could be ordered now; never of a product that is not active.
    #[schema(example = true)]
    pub available: bool,
    /// Pieces that can be promised.
    #[schema(example = 50)]
    pub stock_quantity: i32,
}

/// Whether so many pieces are available now; nothing is held.
#[utoipa::path(get, path = "/api/inventory/products/{id}/check-stock", tag = "stock",
    params(("id" = i64, Path, description = "Number of the product", example = 1), StockQuery),
    responses(
        (status = 200, description = "Whether there is enough", body = StockCheck),
        Invalid, NotFound, Unavailable))]
pub async fn check_stock(
    State(products): State<Arc<Products>>,
    Path(id): Path<ProductId>,
    Query(query): Query<StockQuery>,
) -> Result<axum::Json<StockCheck>, Error> {
    let quantity = query.parse()?;
    let product = store::find(products.db.pool(), id).await?.ok_or(Error::UnknownProduct(id))?;
    let available = product.active && product.stock_quantity >= quantity;
    Ok(axum::Json(StockCheck { available, stock_quantity: product.stock_quantity }))
}
