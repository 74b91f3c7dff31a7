//! Extractors whose refusals are problems: JSON bodies, path and query parameters.

use crate::problem::Problem;
use crate::validation::FieldErrors;
use axum::body::HttpBody;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// A JSON body. Refused: 415 another media type, 413 too large, 400 malformed or a field of the wrong type.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "the body must be sent with Content-Type: application/json";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "unsupported-media-type", "Unsupported media type", detail));
        }
        let body =
            axum::body::Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "body-too-large",
                    "Body too large",
                    "a body has at most 1 MiB",
                ),
                _ => malformed(rejection.body_text()),
            })?;
        let json = &mut serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut *json).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            if !inner.is_data() || path == "." {
                return malformed(inner);
            }
            Problem::validation(FieldErrors::one(path, in_plain_words(&inner.to_string())))
        })?;
        json.end().map_err(malformed)?;
        Ok(Self(value))
    }
}

/// Tells a field that is null from one that is left out, for a JSON Merge Patch: with `#[serde(default)]`, what is left out
/// is `None`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn malformed(error: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed-json", "Malformed JSON", error)
}

/// Without line and column, as the path already says where, and without the names of our types.
fn in_plain_words(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    message.replace("invalid type:", "has the wrong type:").replace("expected i64", "expected a whole number")
}

/// Path parameters. One that cannot be read is a 400.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path(value) =
            axum::extract::Path::from_request_parts(parts, state).await.map_err(|rejection: PathRejection| {
                Problem::new(StatusCode::BAD_REQUEST, "invalid-path", "Invalid path", rejection.body_text())
            })?;
        Ok(Self(value))
    }
}

/// Query parameters. One that cannot be read is a 400.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Query(value) =
            axum::extract::Query::from_request_parts(parts, state).await.map_err(|rejection: QueryRejection| {
                Problem::new(StatusCode::BAD_REQUEST, "invalid-query", "Invalid query", rejection.body_text())
            })?;
        Ok(Self(value))
    }
}

/// A body that may be left out.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let empty = request.body().is_end_stream();
        if empty { Ok(None) } else { <Self as FromRequest<S>>::from_request(request, state).await.map(Some) }
    }
}
