//! Errors as `application/problem+json` (RFC 9457), one shape for everything that goes wrong.

use crate::db;
use crate::fault::Fault;
use crate::idempotency::IdempotencyError;
use crate::server::longest_body;
use crate::validation::FieldErrors;
use axum::body::HttpBody;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
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
    /// How a client can say who it is, for a 401; the `WWW-Authenticate` header.
    #[serde(skip)]
    pub challenge: Option<&'static str>,
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
            challenge: None,
        }
    }

    /// A problem that only its status tells apart: `/problems/request-timeout` for a 408.
    pub fn of_status(status: StatusCode, detail: impl Display) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let slug =
            title.to_ascii_lowercase().replace(' ', "-").replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "");
        Self::new(status, &slug, title, detail)
    }

    /// 413 for a body that is too long for this path.
    pub fn body_too_large(path: &str) -> Self {
        let detail = format!("a body has at most {} KiB here", longest_body(path) / 1024);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large", detail)
    }

    /// 400 for a body where none is taken, with the fields that were in it.
    pub fn unexpected_body(errors: FieldErrors) -> Self {
        let detail = "this call takes no body: leave it out";
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "unexpected-body", "Unexpected body", detail);
        problem.errors = errors.0;
        problem
    }

    /// 415 for a body that is not JSON.
    pub fn unsupported_media_type() -> Self {
        let detail = "the body must be sent with Content-Type: application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type", detail)
    }

    /// 401 for a call that needs a token, or whose token is not valid.
    pub fn unauthenticated(detail: impl Display) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Unauthenticated", detail);
        problem.challenge = Some("Bearer");
        problem
    }

    /// 403 for a caller who may not do this.
    pub fn forbidden(detail: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
    }

    /// 401 for who does not say who he is, and how to.
    pub fn unauthorized(challenge: &'static str, detail: impl Display) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized", detail);
        problem.challenge = Some(challenge);
        problem
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
        if db::is_unavailable(error) || db::is_timed_out(error) {
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

/// Writes the problem that a request for `path` was answered with; any other answer stays as it is. The problem repeats the
/// path as it is `shown`, without secrets.
///
/// An error that brings no problem, as those of libraries do, gets the one of its status.
pub fn render<'p>(mut response: Response, path: &'p str, shown: impl FnOnce(&'p str) -> Cow<'p, str>) -> Response {
    let mut problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_bare_error(&response) => of_bare_error(response.status(), path),
        None => return response,
    };
    problem.instance = shown(path).into_owned();
    if problem.instance != path {
        problem.detail = problem.detail.replace(path, &problem.instance);
    }
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut rendered = (problem.status_code(), body).into_response();
    rendered.headers_mut().extend(
        response
            .headers()
            .iter()
            .filter(|(name, _)| *name != header::CONTENT_LENGTH)
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    let headers = rendered.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(challenge) = problem.challenge {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    rendered
}

/// Whether an error has no body, or one of plain text.
fn is_bare_error(response: &Response) -> bool {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return false;
    }
    let media_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    response.body().is_end_stream() || media_type.is_none_or(|media_type| media_type.starts_with(b"text/plain"))
}

fn of_bare_error(status: StatusCode, path: &str) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::not_found(path),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::body_too_large(path),
        status if status.is_server_error() => Problem::internal(),
        status => Problem::of_status(status, "the request could not be served"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Problem, render};
    use axum::http::StatusCode;
    use axum::response::{Html, IntoResponse};
    use std::borrow::Cow;

    #[test]
    fn an_error_without_a_problem_gets_one() {
        let plain = (StatusCode::BAD_REQUEST, "thread 'main' said so").into_response();
        for bare in [StatusCode::NOT_FOUND.into_response(), StatusCode::IM_A_TEAPOT.into_response(), plain] {
            let status = bare.status();
            let rendered = render(bare, "/x", Cow::Borrowed);
            assert_eq!(rendered.status(), status);
            assert_eq!(rendered.headers()["content-type"], "application/problem+json");
        }
        let page = (StatusCode::NOT_FOUND, Html("<p>")).into_response();
        assert!(render(page, "/x", Cow::Borrowed).headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(
            !render(StatusCode::NO_CONTENT.into_response(), "/x", Cow::Borrowed).headers().contains_key("content-type")
        );
    }

    #[test]
    fn who_is_not_let_in_is_told_how_to() {
        let rendered = render(Problem::unauthorized("Secret", "no secret").into_response(), "/x", Cow::Borrowed);
        assert_eq!(rendered.headers()["www-authenticate"], "Secret");
    }

    #[test]
    fn a_status_has_a_problem_of_its_name() {
        let kind = |status| Problem::of_status(status, "").kind;
        assert_eq!(kind(StatusCode::REQUEST_TIMEOUT), "/problems/request-timeout");
        assert_eq!(kind(StatusCode::IM_A_TEAPOT), "/problems/im-a-teapot");
    }
}
