//! EDGE: handing codes to the service that writes the mails.

use super::domain::TakenCode;
use super::state::Codes;
use axum::Json;
use axum::extract::{FromRef, State};
use service_kit::access::{Access, Guarded};
use service_kit::documented::{Invalid, NotFound, Unavailable};
use service_kit::extract::Path;
use service_kit::problem::Problem;
use std::borrow::Cow;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa_axum::routes;
use uuid::Uuid;

/// The calls about codes.
pub fn routes<S>() -> Guarded<S>
where
    Arc<Codes>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Guarded::new().add(Access::internal(&[Cow::Borrowed("order-service")]), routes!(take_code))
}

/// The code that a mail is to show. It can be taken again until it expires or is used, so that a mail that is tried
/// again still has it.
#[utoipa::path(post, path = "/internal/codes/{id}/take", tag = "internal",
    params(("id" = Uuid, Path, description = "The code's row, from the event")),
    responses((status = 200, description = "The code", body = TakenCode), Invalid, NotFound, Unavailable))]
pub async fn take_code(State(codes): State<Arc<Codes>>, Path(id): Path<Uuid>) -> Result<Json<TakenCode>, Problem> {
    let code = codes.take(OffsetDateTime::now_utc(), id).await?;
    code.map(Json).ok_or_else(|| Problem::not_found("a code that is still good"))
}
