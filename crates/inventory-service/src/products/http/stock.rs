//! EDGE: stock that comes in and goes out by hand, and whether there is enough.

use super::documented::StockLimitOrKeyReused;
use super::{Product, Products, commands, store};
use crate::error::Error;
use crate::schema::IDEMPOTENCY;
use crate::stock::{self, InsufficientStock, StockChangeBody};
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use service_kit::answer::{Answer, check_if_match};
use service_kit::documented::{Changed, IfMatch, Invalid, InvalidBody, KeyReused, Keyed, NotFound, Unavailable};
use service_kit::extract::{Json, Path, Query};
use service_kit::idempotency::{Fingerprint, IdempotencyKey};
use service_kit::validation::FieldErrors;
use shared_types::ProductId;
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
    let fingerprint = Fingerprint::of(&body)?;
    let change = body.incoming()?;
    let mut transaction = products.db.begin().await?;
    if let Some(kept) = IDEMPOTENCY.claim(&mut transaction, &key, &fingerprint).await? {
        return Ok(kept);
    }
    let before = commands::lock(&mut transaction, id).await?;
    check_if_match(&headers, before.version).map_err(|_| Error::VersionMismatch)?;
    stock::add(&mut transaction, OffsetDateTime::now_utc(), &before.stock_level(), change).await?;
    let product = store::find(&mut *transaction, id).await?.ok_or(Error::UnknownProduct(id))?;
    let answer = Answer::ok(&product)?.with_version(product.version);
    IDEMPOTENCY.keep(&mut transaction, &key, &answer).await?;
    products.db.commit(transaction).await?;
    products.changed([id]);
    Ok(answer)
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
    let fingerprint = Fingerprint::of(&body)?;
    let change = body.outgoing()?;
    let mut transaction = products.db.begin().await?;
    if let Some(kept) = IDEMPOTENCY.claim(&mut transaction, &key, &fingerprint).await? {
        return Ok(kept);
    }
    let before = commands::lock(&mut transaction, id).await?;
    check_if_match(&headers, before.version).map_err(|_| Error::VersionMismatch)?;
    stock::reduce(&mut transaction, OffsetDateTime::now_utc(), &before.stock_level(), change).await?;
    let product = store::find(&mut *transaction, id).await?.ok_or(Error::UnknownProduct(id))?;
    let answer = Answer::ok(&product)?.with_version(product.version);
    IDEMPOTENCY.keep(&mut transaction, &key, &answer).await?;
    products.db.commit(transaction).await?;
    products.changed([id]);
    Ok(answer)
}

/// How many pieces are wanted.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StockQuery {
    /// Pieces.
    #[param(value_type = i32, required, minimum = 1, example = 3)]
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
