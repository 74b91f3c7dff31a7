//! A successful answer as data, so that it can be kept for a repeat of the request, and its ETag.

use crate::fault::Fault;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::headers::{ETag, HeaderMapExt, IfMatch, IfNoneMatch};
use serde::Serialize;

/// Status, headers and JSON body of a success.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// 200, 201 or 202.
    pub status: u16,
    /// Path of what was created.
    pub location: Option<String>,
    /// Version of the resource in the body.
    pub etag: Option<String>,
    /// The JSON.
    pub body: String,
    /// Whether this is the kept answer of an earlier request.
    pub replayed: bool,
}

/// The ETag of a row's version.
pub fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

impl Answer {
    /// 200 with a body.
    pub fn ok(body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self {
            status: StatusCode::OK.as_u16(),
            location: None,
            etag: None,
            body: serde_json::to_string(body)?,
            replayed: false,
        })
    }

    /// 201 with where it is to be found.
    pub fn created(location: String, body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { status: StatusCode::CREATED.as_u16(), location: Some(location), ..Self::ok(body)? })
    }

    /// 202 for what happens after the answer, with where it can be seen what becomes of it.
    pub fn accepted(location: Option<String>, body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { status: StatusCode::ACCEPTED.as_u16(), location, ..Self::ok(body)? })
    }

    /// Adds the ETag of `version`.
    #[must_use]
    pub fn with_version(self, version: i64) -> Self {
        Self { etag: Some(etag(version)), ..self }
    }

    /// The answer to a GET: 304 without a body where the client has this version already.
    pub fn unless_known(self, request: &HeaderMap) -> Response {
        if !request.contains_key(header::IF_NONE_MATCH) {
            return self.into_response();
        }
        let tag = self.etag.as_deref().and_then(|tag| tag.parse::<ETag>().ok());
        match (request.typed_get::<IfNoneMatch>(), tag) {
            (Some(known), Some(tag)) if !known.precondition_passes(&tag) => {
                let mut response = StatusCode::NOT_MODIFIED.into_response();
                response.headers_mut().typed_insert(tag);
                response
            }
            _ => self.into_response(),
        }
    }
}

/// Refuses a write with 412 when the client's `If-Match` names another version than the row has.
pub fn check_if_match(request: &HeaderMap, version: i64) -> Result<(), Fault> {
    let matches = match (request.typed_get::<IfMatch>(), etag(version).parse::<ETag>()) {
        (Some(wanted), Ok(tag)) => wanted.precondition_passes(&tag),
        // A header that cannot be read names no version that exists.
        (None, _) => !request.contains_key(header::IF_MATCH),
        (Some(_), Err(_)) => false,
    };
    if matches { Ok(()) } else { Err(Fault::PreconditionFailed) }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, self.body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [(header::LOCATION, self.location), (header::ETAG, self.etag)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        }
        if self.replayed {
            headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}
