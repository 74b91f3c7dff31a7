//! Errors as `application/problem+json` (RFC 9457), one shape for everything that goes wrong.

use crate::db;
use crate::fault::Fault;
use crate::idempotency::IdempotencyError;
use crate::validation::FieldErrors;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Display;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// An error as the client sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "/problems/insufficient-stock")]
    pub kind: String,
    /// The same for every problem of the kind.
    #[schema(example = "Insufficient stock")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 409)]
    pub status: u16,
    /// What went wrong this time.
    #[schema(example = "LAPTOP-001: 3 requested, 2 available")]
    pub detail: String,
    /// The path that was asked for.
    #[schema(example = "/api/orders")]
    pub instance: String,
    /// When it went wrong.
    #[serde(with = "shared_types::times")]
    pub timestamp: OffsetDateTime,
    /// Fields at fault, all at once, where the input was at fault.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, String>,
    /// What problems of this kind say beside that: its extension members (RFC 9457, 3.2).
    #[serde(flatten)]
    #[schema(ignore)]
    pub extensions: Map<String, Value>,
    /// Seconds after which trying again makes sense; the `Retry-After` header.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem of the kind `/problems/{slug}`.
    pub fn new(status: StatusCode, slug: &str, title: &'static str, detail: impl Display) -> Self {
        Self {
            kind: format!("/problems/{slug}"),
            title,
            status: status.as_u16(),
            detail: detail.to_string(),
            instance: String::new(),
            timestamp: OffsetDateTime::now_utc(),
            errors: BTreeMap::new(),
            extensions: Map::new(),
            retry_after: None,
        }
    }

    /// 400 with every field at fault.
    pub fn validation(errors: FieldErrors) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "validation", "Invalid input", &errors);
        problem.errors = errors.0;
        problem
    }

    /// 404 for a thing that is not there.
    pub fn not_found(what: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", format!("{what} does not exist"))
    }

    /// 412 for an `If-Match` that does not match, or an `If-None-Match` that does.
    pub fn precondition_failed() -> Self {
        let detail = "the resource does not have the version that If-Match or If-None-Match asks for";
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", "Precondition failed", detail)
    }

    /// 422 for an `Idempotency-Key` that comes back with another request.
    pub fn key_reused() -> Self {
        let detail = "the Idempotency-Key was used before, with another request";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Idempotency-Key reused", detail)
    }

    /// 503 for something that will be back.
    pub fn unavailable(detail: impl Display) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", detail);
        problem.retry_after = Some(1);
        problem
    }

    /// 500; what went wrong goes to the log, not to the client.
    pub fn internal() -> Self {
        let detail = "an unexpected error occurred; it has been logged under the request's x-request-id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// [`Self::internal`] for an error that is nobody's input; the log gets it.
    pub fn unexpected(error: impl Display) -> Self {
        tracing::error!(%error, "unexpected error");
        Self::internal()
    }

    /// What a failure of the database means to a client: 503 where trying again can help, else 500.
    pub fn database(error: &sqlx::Error) -> Self {
        if db::is_unavailable(error) {
            tracing::warn!(%error, "the database is not available");
            Self::unavailable("the database is not available")
        } else if db::is_conflict(error) {
            tracing::warn!(%error, "gave way to another transaction");
            Self::unavailable("another request was in the way")
        } else {
            Self::unexpected(format_args!("database: {error}"))
        }
    }

    /// Adds extension members: the fields of `members`, which must be an object in JSON.
    #[must_use]
    pub fn with(mut self, members: &impl Serialize) -> Self {
        match serde_json::to_value(members) {
            Ok(Value::Object(members)) => self.extensions.extend(members),
            other => tracing::error!(?other, kind = self.kind, "extension members have to be an object"),
        }
        self
    }

    /// The HTTP status.
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        fault.problem()
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::database(&error)
    }
}

impl From<serde_json::Error> for Problem {
    /// Something of ours has no JSON form.
    fn from(error: serde_json::Error) -> Self {
        Self::unexpected(format_args!("JSON: {error}"))
    }
}

impl From<IdempotencyError> for Problem {
    fn from(error: IdempotencyError) -> Self {
        match error {
            IdempotencyError::Reused => Self::key_reused(),
            IdempotencyError::Database(error) => Self::database(&error),
        }
    }
}

impl IntoResponse for Problem {
    /// Hands the problem to [`render`], which knows the path that was asked for.
    fn into_response(self) -> Response {
        let mut response = self.status_code().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the problem that a request for `path` was answered with; any other answer stays as it is.
pub fn render(mut response: Response, path: &str) -> Response {
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else { return response };
    path.clone_into(&mut problem.instance);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut rendered = (problem.status_code(), body).into_response();
    rendered.headers_mut().extend(
        response
            .headers()
            .iter()
            .filter(|(name, _)| *name != header::CONTENT_LENGTH)
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    rendered.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = problem.retry_after {
        rendered.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    rendered
}
