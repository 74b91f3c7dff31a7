//! EDGE: what does not fit between the providers' books and ours, for operators: look, say what was done, look for more.

use super::super::documented::AlreadyResolved;
use crate::orders::error::Error;
use crate::orders::reconciling;
use crate::orders::state::Orders;
use crate::payments::{self, Finding, Reconciled, ResolveFinding, findings};
use crate::schema::IDEMPOTENCY;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use service_kit::access::Caller;
use service_kit::answer::Answer;
use service_kit::documented::{Invalid, InvalidBody, KeyReused, Keyed, NotFound, Paged, ReadAfter, Unavailable};
use service_kit::extract::{Json, Path, Query};
use service_kit::idempotency::IdempotencyKey;
use service_kit::pagination::Filtered;
use service_kit::reading::{ReadConnection, Reader};
use service_kit::validation::FieldErrors;
use sqlx::PgConnection;
use std::sync::Arc;
use time::macros::format_description;
use time::{Date, OffsetDateTime};
use utoipa::IntoParams;

/// Which findings.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FindingQuery {
    /// Only those that are (true) or are not (false) open.
    open: Option<bool>,
}

/// What does not fit between the providers' books and ours, newest first
#[utoipa::path(get, path = "/api/admin/payments/findings", tag = "admin", params(FindingQuery, Paged, ReadAfter),
    responses(
        (status = 200, description = "A page; `Link` names the next", body = [Finding], headers(("Link" = String, description = "The next page, rel=\"next\""))),
        Invalid, Unavailable))]
pub async fn list_findings(
    State(orders): State<Arc<Orders>>,
    reader: Reader,
    listed: Filtered<FindingQuery>,
) -> Result<Response, Error> {
    let (page, FindingQuery { open }) = listed.checked(Ok)?;
    let (after, limit) = (page.after, page.fetch());
    let read = |mut conn: ReadConnection| async move { findings::list(&mut *conn, open, after, limit).await };
    let found = orders.db.read(&reader, read).await?;
    Ok(page.answer(found, |finding| finding.id))
}

/// Notes what was done about something that does not fit
///
/// A refund that was made at the provider then lowers what the order owes.
#[utoipa::path(post, path = "/api/admin/payments/findings/{id}/resolve", tag = "admin",
    request_body(content = ResolveFinding, example = json!({"note": "Agreed with the customer"})),
    params(("id" = i64, Path, description = "Number of the finding", example = 1), Keyed),
    responses(
        (status = 200, description = "The finding", body = Finding),
        InvalidBody, NotFound, AlreadyResolved, KeyReused, Unavailable))]
pub async fn resolve_finding(
    State(orders): State<Arc<Orders>>,
    caller: Caller,
    Path(id): Path<i64>,
    key: IdempotencyKey,
    Json(body): Json<ResolveFinding>,
) -> Result<Answer, Error> {
    let note = body.parse()?;
    let by = caller.principal.name();
    let resolve = async |conn: &mut PgConnection| {
        let finding = payments::resolve(conn, id, &by, &note).await?;
        Ok::<_, Error>((Answer::ok(&finding)?, ()))
    };
    IDEMPOTENCY.once(&orders.db, &key, &body, resolve, |()| {}).await
}

/// Which day.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DayQuery {
    /// A day in UTC that has begun.
    #[param(required, value_type = String, format = Date, max_length = 10, example = "2026-01-31")]
    day: Option<String>,
}

impl DayQuery {
    fn parse(&self, today: Date) -> Result<Date, FieldErrors> {
        let fault = |reason: &str| FieldErrors::one("day", reason);
        let text = self.day.as_deref().ok_or_else(|| fault("is required"))?;
        match Date::parse(text, format_description!("[year]-[month]-[day]")) {
            Ok(day) if day <= today => Ok(day),
            Ok(_) => Err(fault("must have begun")),
            Err(_) => Err(fault("must look like 2026-01-31")),
        }
    }
}

/// Holds our books of a day against those of the providers
///
/// Every day is done by itself once it is over (`RECONCILE_AT`). What does not fit is among the findings then; a second time
/// nothing is found twice.
#[utoipa::path(post, path = "/api/admin/payments/reconcile", tag = "admin", params(DayQuery),
    responses(
        (status = 200, description = "What it came to", body = Reconciled),
        Invalid, Unavailable))]
pub async fn reconcile_day(
    State(orders): State<Arc<Orders>>,
    Query(query): Query<DayQuery>,
) -> Result<axum::Json<Reconciled>, Error> {
    let day = query.parse(OffsetDateTime::now_utc().date())?;
    Ok(axum::Json(reconciling::reconcile(&orders, day).await?))
}
