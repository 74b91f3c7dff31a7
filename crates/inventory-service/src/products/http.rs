//! EDGE: the calls about products.

mod documented;
mod movements;
mod stock;

use self::documented::{SkuTaken, StockLimit};
use super::domain::changes::{PatchProduct, ProductChange, ReplaceProduct};
use super::domain::{Product, ProductBody, ProductFilter};
use super::error::Error;
use super::state::Products;
use super::{commands, store};
use crate::schema::IDEMPOTENCY;
use axum::extract::{FromRef, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_kit::access::{Access, Guarded};
use service_kit::answer::{Answer, check_if_match};
use service_kit::documented::{
    Changed, IfMatch, IfNoneMatch, Invalid, InvalidBody, KeyReused, Keyed, NotFound, Paged, ReadAfter, Unavailable,
};
use service_kit::extract::{Json, Path};
use service_kit::idempotency::IdempotencyKey;
use service_kit::pagination::{Filtered, Page};
use service_kit::reading::{ReadConnection, Reader};
use service_kit::validation::FieldErrors;
use shared_types::ProductId;
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

/// The calls about products.
pub fn routes<S>() -> Guarded<S>
where
    Arc<Products>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    let write = || Access::OPERATORS.with_scope("products:write");
    let count = || Access::OPERATORS.with_scope("stock:write");
    Guarded::new()
        .add(Access::PUBLIC, routes!(list_products))
        .add(write(), routes!(create_product))
        .add(Access::PUBLIC, routes!(list_active_products))
        .add(count(), routes!(list_low_stock_products))
        .add(Access::PUBLIC, routes!(get_product))
        .add(write(), routes!(replace_product, patch_product, delete_product))
        .add(count(), routes!(stock::add_stock))
        .add(count(), routes!(stock::reduce_stock))
        .add(Access::PUBLIC, routes!(stock::check_stock))
        .add(count(), routes!(stock::get_stock))
        .add(count(), routes!(stock::count_stock))
        .add(count(), routes!(movements::list_movements))
}

/// Creates a product; its first stock is a receipt.
#[utoipa::path(post, path = "/api/inventory/products", tag = "products", params(Keyed), request_body = ProductBody,
    responses(
        (status = 201, description = "The product", body = Product, headers(("Location" = String, description = "Path of the product"), ("ETag" = String, description = "Its version"))),
        InvalidBody, SkuTaken, KeyReused, Unavailable))]
pub async fn create_product(
    State(products): State<Arc<Products>>,
    key: IdempotencyKey,
    Json(body): Json<ProductBody>,
) -> Result<Answer, Error> {
    let input = body.clone().parse()?;
    let create = async |conn: &mut PgConnection| {
        let product = commands::create(conn, &input).await?;
        let location = format!("/api/inventory/products/{}", product.id);
        Ok::<_, Error>((Answer::created(location, &product)?.with_version(product.version), ()))
    };
    IDEMPOTENCY.once(&products.db, &key, &body, create, |()| {}).await
}

/// Filters of the list of products.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProductQuery {
    /// Only those that can (true) or cannot (false) be ordered.
    pub active: Option<bool>,
    /// Only this stock keeping unit, in any case.
    #[param(max_length = 64, example = "LAPTOP-001")]
    pub sku: Option<String>,
    /// Only where this stands in the name or the SKU, in any case.
    #[param(max_length = 200)]
    pub q: Option<String>,
}

impl ProductQuery {
    fn parse(self) -> Result<ProductFilter, FieldErrors> {
        let mut errors = FieldErrors::default();
        let sku = errors.optional_text("sku", self.sku, 64);
        let part = errors.optional_text("q", self.q, 200);
        errors.into_result(())?;
        ProductFilter::folded(self.active, sku, part)
    }
}

/// The products, by id.
#[utoipa::path(get, path = "/api/inventory/products", tag = "products", params(ProductQuery, Paged, ReadAfter), responses(
    (status = 200, description = "A page; `Link` names the next", body = [Product], headers(("Link" = String, description = "The next page, rel=\"next\""))),
    Invalid, Unavailable))]
pub async fn list_products(
    State(products): State<Arc<Products>>,
    reader: Reader,
    listed: Filtered<ProductQuery>,
) -> Result<Response, Error> {
    let (page, filter) = listed.checked(ProductQuery::parse)?;
    answer_page(&products, &reader, &filter, &page).await
}

/// The products that can be ordered, by id.
#[utoipa::path(get, path = "/api/inventory/products/active", tag = "products", params(Paged, ReadAfter), responses(
    (status = 200, description = "A page; `Link` names the next", body = [Product], headers(("Link" = String, description = "The next page, rel=\"next\""))),
    Invalid, Unavailable))]
pub async fn list_active_products(
    State(products): State<Arc<Products>>,
    reader: Reader,
    page: Page,
) -> Result<Response, Error> {
    answer_page(&products, &reader, &ProductFilter { active: Some(true), ..Default::default() }, &page).await
}

/// The products whose stock has reached the threshold, active or not, by id.
#[utoipa::path(get, path = "/api/inventory/products/low-stock", tag = "products", params(Paged, ReadAfter), responses(
    (status = 200, description = "A page; `Link` names the next", body = [Product], headers(("Link" = String, description = "The next page, rel=\"next\""))),
    Invalid, Unavailable))]
pub async fn list_low_stock_products(
    State(products): State<Arc<Products>>,
    reader: Reader,
    page: Page,
) -> Result<Response, Error> {
    answer_page(&products, &reader, &ProductFilter { low: true, ..Default::default() }, &page).await
}

async fn answer_page(
    products: &Products,
    reader: &Reader,
    filter: &ProductFilter,
    page: &Page,
) -> Result<Response, Error> {
    let (after, limit) = (page.after, page.fetch());
    let read = |mut conn: ReadConnection| async move { store::list(&mut *conn, filter, after, limit).await };
    let found = products.db.read(reader, read).await?;
    Ok(page.answer(found, |product| product.id))
}

/// A product, as it was a second ago at the most.
#[utoipa::path(get, path = "/api/inventory/products/{id}", tag = "products",
    params(("id" = i64, Path, description = "Number of the product", example = 1), IfNoneMatch),
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has it already"),
        Invalid, NotFound, Unavailable))]
pub async fn get_product(
    State(products): State<Arc<Products>>,
    Path(id): Path<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let read = || async {
        let product = store::find(products.db.pool(), id).await?.ok_or(Error::UnknownProduct(id))?;
        Ok(Answer::ok(&product)?.with_version(product.version))
    };
    Ok(products.cache.get(id, read).await?.unless_known(&headers))
}

/// Replaces a product; what is left out stays as it is.
///
/// To change single fields, PATCH is the better call. A `stockQuantity` that is sent sets what can be promised, whatever
/// was sold since it was read: leave it out, and move stock by `add-stock`, `reduce-stock` and `count`. `If-Match` guards it.
#[utoipa::path(put, path = "/api/inventory/products/{id}", tag = "products",
    params(("id" = i64, Path, description = "Number of the product", example = 1), IfMatch),
    request_body(content = ReplaceProduct, example = json!({
        "sku": "LAPTOP-001", "name": "Laptop Pro 15", "description": "15 inch laptop with 32 GB of memory",
        "price": 2399.99, "lowStockThreshold": 5, "active": true
    })),
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, SkuTaken, StockLimit, Changed, Unavailable))]
pub async fn replace_product(
    State(products): State<Arc<Products>>,
    Path(id): Path<ProductId>,
    headers: HeaderMap,
    Json(body): Json<ReplaceProduct>,
) -> Result<Answer, Error> {
    change(&products, id, &headers, body.parse_for(id)?).await
}

/// Changes single fields of a product (JSON Merge Patch, RFC 7396); what is left out stays, stock never changes.
#[utoipa::path(patch, path = "/api/inventory/products/{id}", tag = "products",
    params(("id" = i64, Path, description = "Number of the product", example = 1), IfMatch),
    request_body(content((PatchProduct = "application/merge-patch+json"), (PatchProduct = "application/json"))),
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, SkuTaken, Changed, Unavailable))]
pub async fn patch_product(
    State(products): State<Arc<Products>>,
    Path(id): Path<ProductId>,
    headers: HeaderMap,
    Json(body): Json<PatchProduct>,
) -> Result<Answer, Error> {
    change(&products, id, &headers, body.parse()?).await
}

async fn change(
    products: &Products,
    id: ProductId,
    headers: &HeaderMap,
    change: ProductChange,
) -> Result<Answer, Error> {
    let mut transaction = products.db.begin().await?;
    let before = commands::lock(&mut transaction, id).await?;
    check_if_match(headers, before.version)?;
    let product = commands::change(&mut transaction, OffsetDateTime::now_utc(), &before, change).await?;
    products.db.commit(transaction).await?;
    products.changed([id]);
    Ok(Answer::ok(&product)?.with_version(product.version))
}

/// The answer to a deletion.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// Says so.
    #[schema(example = "Product deleted successfully")]
    pub message: &'static str,
}

/// Deletes a product; orders keep their copy of its name and price, its movements stay.
#[utoipa::path(delete, path = "/api/inventory/products/{id}", tag = "products",
    params(("id" = i64, Path, description = "Number of the product", example = 1), IfMatch),
    responses((status = 200, description = "It is deleted", body = Deleted), Invalid, NotFound, Changed, Unavailable))]
pub async fn delete_product(
    State(products): State<Arc<Products>>,
    Path(id): Path<ProductId>,
    headers: HeaderMap,
) -> Result<Answer, Error> {
    let mut transaction = products.db.begin().await?;
    let product = commands::lock(&mut transaction, id).await?;
    check_if_match(&headers, product.version)?;
    commands::delete(&mut transaction, &product).await?;
    products.db.commit(transaction).await?;
    products.changed([id]);
    Ok(Answer::ok(&Deleted { message: "Product deleted successfully" })?)
}
