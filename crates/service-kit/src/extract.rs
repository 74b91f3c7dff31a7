//! Extractors whose refusals are problems: JSON bodies, path and query parameters.

pub(crate) mod parameters;

use crate::body::{self, Body, Unreadable};
use crate::problem::Problem;
use crate::validation::FieldErrors;
use axum::body::{Bytes, HttpBody};
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

pub use parameters::{LONGEST_PARAMETER, PlusKept, check_query};

/// A JSON body. Refused: 415 another media type or coding, 413 too large, 400 malformed or a field at fault.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// Why a body was not taken.
#[derive(Debug)]
pub struct Refused {
    problem: Problem,
    /// Whether the body was compressed, and must not be (RFC 9110, 12.5.3).
    compressed: bool,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, compressed: false }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if self.compressed {
            response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        response
    }
}

impl<T: Body, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        check_content(request.method(), request.headers())?;
        let body = bytes(request, state).await?;
        body::read(&body).map(Self).map_err(|unreadable| refusal(unreadable).into())
    }
}

/// A body that may be left out: nothing, however it is sent, and `null` are none.
impl<T: Body, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Refused> {
        let content = check_content(request.method(), request.headers());
        let body = bytes(request, state).await?;
        if body.is_empty() {
            return Ok(None);
        }
        content?;
        if body.trim_ascii() == b"null" {
            return Ok(None);
        }
        body::read(&body).map(|body| Some(Self(body))).map_err(|unreadable| refusal(unreadable).into())
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let path = request.uri().path().to_owned();
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::body_too_large(&path),
        _ => malformed("the body did not arrive whole"),
    })
}

/// Most bytes of a body that are looked at where none is taken.
const MOST_OF_NOTHING: usize = 16 * 1024;

/// A body that asks for nothing.
#[derive(Debug, Deserialize)]
struct Nothing {}

impl Body for Nothing {}

/// Refuses a body that asks for anything, for a call that takes none. Nothing, however it is sent, `null` and `{}` ask for
/// nothing, whatever their media type: many clients send one of them with every POST.
pub(crate) async fn refuse_body(request: &mut Request) -> Result<(), Problem> {
    if request.body().is_end_stream() {
        return Ok(());
    }
    let body = axum::body::to_bytes(std::mem::take(request.body_mut()), MOST_OF_NOTHING).await;
    match body.as_deref().map(<[u8]>::trim_ascii) {
        Ok(b"" | b"null") => Ok(()),
        Ok(asked) => match body::read::<Nothing>(asked) {
            Ok(Nothing {}) => Ok(()),
            Err(Unreadable::Invalid(errors)) => Err(Problem::unexpected_body(errors)),
            Err(Unreadable::Malformed(_)) => Err(Problem::unexpected_body(FieldErrors::default())),
        },
        // It is longer than that, or did not arrive whole.
        Err(_) => Err(Problem::unexpected_body(FieldErrors::default())),
    }
}

fn refusal(unreadable: Unreadable) -> Problem {
    match unreadable {
        Unreadable::Malformed(error) => malformed(error),
        Unreadable::Invalid(errors) => Problem::validation(errors),
    }
}

/// Tells a field that is null from one that is left out, for a JSON Merge Patch: with `#[serde(default)]`, what is left out
/// is `None`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// Refuses what is no plain JSON. Other types that end with `+json` mean something else by their fields, but for a merge
/// patch where something is patched.
fn check_content(method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let merge_patch = *method == Method::PATCH && essence.eq_ignore_ascii_case("application/merge-patch+json");
    if !merge_patch && !essence.eq_ignore_ascii_case("application/json") {
        let other = if *method == Method::PATCH { " or application/merge-patch+json" } else { "" };
        return Err(unsupported(&format!("the body must be sent with Content-Type: application/json{other}")).into());
    }
    check_coding(headers)
}

/// Refuses a body that is compressed.
pub fn check_coding(headers: &HeaderMap) -> Result<(), Refused> {
    let plain = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        let problem = unsupported("the body must be sent without a Content-Encoding");
        return Err(Refused { problem, compressed: true });
    }
    Ok(())
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type", detail)
}

fn malformed(error: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed-json", "Malformed JSON", error)
}

/// Path parameters. One that cannot be read is a 400.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = parts.uri.path();
        if path.contains('%') || path.len() > LONGEST_PARAMETER {
            check_path(parts, state).await?;
        }
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(path_problem(parts, state, &rejection).await),
        }
    }
}

/// Refuses characters that no parameter of a path has, and what is longer than any.
async fn check_path<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<(), Problem> {
    let parameters = RawPathParams::from_request_parts(parts, state).await;
    let parameters = parameters.map_err(|_| invalid_path("path", "must be percent-encoded UTF-8"))?;
    for (name, value) in &parameters {
        parameters::check_text(value).map_err(|message| invalid_path(name, &message))?;
    }
    Ok(())
}

async fn path_problem<S: Send + Sync>(parts: &mut Parts, state: &S, rejection: &PathRejection) -> Problem {
    let PathRejection::FailedToDeserializePathParams(failure) = rejection else {
        return Problem::unexpected(rejection);
    };
    let message = match failure.kind() {
        ErrorKind::InvalidUtf8InPathParam { .. } => "must be percent-encoded UTF-8",
        ErrorKind::ParseError { .. } | ErrorKind::ParseErrorAtKey { .. } | ErrorKind::ParseErrorAtIndex { .. } => {
            "must be a whole number of at most 64 bits"
        }
        _ => "must be a UUID",
    };
    // No call of clients has more than one parameter of another type than text.
    let parameters = RawPathParams::from_request_parts(parts, state).await.ok();
    let name = parameters.as_ref().and_then(|parameters| parameters.iter().last()).map_or("path", |(name, _)| name);
    invalid_path(name, message)
}

fn invalid_path(name: &str, message: &str) -> Problem {
    let errors = FieldErrors::one(name, message);
    let mut problem = Problem::new(StatusCode::BAD_REQUEST, "invalid-path", "Invalid path", &errors);
    problem.errors = errors.0;
    problem
}

/// Query parameters. Every one that cannot be read is named in a 400.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parameters::read(parts.uri.query().unwrap_or_default()).map(Self).map_err(Problem::validation)
    }
}

#[cfg(test)]
mod tests {
    use super::check_content;
    use axum::http::{HeaderMap, HeaderName, Method};

    fn taken(method: &Method, content_type: &str, coding: Option<&str>) -> bool {
        let mut headers =
            HeaderMap::from_iter([(HeaderName::from_static("content-type"), content_type.parse().unwrap())]);
        headers.extend(coding.map(|coding| (HeaderName::from_static("content-encoding"), coding.parse().unwrap())));
        check_content(method, &headers).is_ok()
    }

    #[test]
    fn a_body_is_plain_json() {
        for plain in ["application/json", "Application/JSON; charset=utf-8", "application/json;charset=UTF-8"] {
            assert!(taken(&Method::POST, plain, None) && taken(&Method::PATCH, plain, Some("identity")), "{plain}");
        }
        for other in ["", "text/json", "application/json-patch+json", "application/vnd.api+json", "application/jsonx"] {
            assert!(!taken(&Method::POST, other, None) && !taken(&Method::PATCH, other, None), "{other}");
        }
        assert!(taken(&Method::PATCH, "application/merge-patch+json", None));
        assert!(!taken(&Method::PUT, "application/merge-patch+json", None));
        for coding in ["gzip", "deflate", "br", "identity, gzip", "x"] {
            assert!(!taken(&Method::POST, "application/json", Some(coding)), "{coding}");
        }
    }
}
