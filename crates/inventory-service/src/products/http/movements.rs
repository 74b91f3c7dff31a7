//! EDGE: the history of a product's stock.

use super::{Products, store};
use crate::products::error::Error;
use crate::stock::{self, Movement};
use axum::extract::State;
use axum::response::Response;
use service_kit::documented::{Invalid, NotFound, Paged, ReadAfter, Unavailable};
use service_kit::extract::Path;
use service_kit::pagination::Page;
use service_kit::reading::{ReadConnection, Reader};
use shared_types::ProductId;
use std::sync::Arc;

/// The movements of a product's stock, newest first.
///
/// They stay readable when the product is deleted.
#[utoipa::path(get, path = "/api/inventory/products/{id}/movements", tag = "stock",
    params(("id" = i64, Path, description = "Number of the product", example = 1), Paged, ReadAfter),
    responses(
        (status = 200, description = "A page; `Link` names the next", body = [Movement], headers(("Link" = String, description = "The next page, rel=\"next\""))),
        Invalid, NotFound, Unavailable))]
pub async fn list_movements(
    State(products): State<Arc<Products>>,
    reader: Reader,
    Path(id): Path<ProductId>,
    page: Page,
) -> Result<Response, Error> {
    let (after, limit) = (page.after, page.fetch());
    let read = |mut conn: ReadConnection| async move {
        let movements = stock::list_movements(&mut *conn, id, after, limit).await?;
        let known = !movements.is_empty() || store::was_ever(&mut *conn, id).await?;
        Ok::<_, sqlx::Error>(known.then_some(movements))
    };
    let movements = products.db.read(&reader, read).await?.ok_or(Error::UnknownProduct(id))?;
    Ok(page.answer(movements, |movement| movement.id))
}
