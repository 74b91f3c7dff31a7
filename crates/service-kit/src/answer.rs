//! A successful answer as data, so that it can be kept for a repeat of the request, and its ETag.

mod entity_tags;

use self::entity_tags::{Comparison, named};
use crate::fault::Fault;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::ser::Error;

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

/// Headers of an answer, with those that stand on every one: their map does not have to grow.
const HEADERS: usize = 9;

static JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The ETag of a row's version.
pub fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

impl Answer {
    /// 200 with a body.
    pub fn ok(body: &impl Serialize) -> Result<Self, serde_json::Error> {
        // Room for an order: growing to it would copy the half of it four times.
        let mut json = Vec::with_capacity(1024);
        serde_json::to_writer(&mut json, body)?;
        Ok(Self {
            status: StatusCode::OK.as_u16(),
            location: None,
            etag: None,
            body: String::from_utf8(json).map_err(Error::custom)?,
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
        let tag = self.etag.as_deref();
        match named(request, &header::IF_NONE_MATCH, tag, Comparison::Weak) {
            Some(true) => not_modified(tag),
            _ => self.into_response(),
        }
    }
}

/// Refuses a write with 412 when the client's `If-Match` names another version than the row has, or its `If-None-Match` names
/// this one (RFC 9110, 13.1).
pub fn check_if_match(request: &HeaderMap, version: i64) -> Result<(), Fault> {
    if !request.contains_key(header::IF_MATCH) && !request.contains_key(header::IF_NONE_MATCH) {
        return Ok(());
    }
    if allows_change(request, Some(&etag(version))) { Ok(()) } else { Err(Fault::PreconditionFailed) }
}

/// Whether the preconditions of a write allow it. `tag` is that of its target, where this has one.
pub(crate) fn allows_change(request: &HeaderMap, tag: Option<&str>) -> bool {
    let known = named(request, &header::IF_NONE_MATCH, tag, Comparison::Weak).unwrap_or(false);
    matches_if_match(request, tag) && !known
}

/// Whether `If-Match` names the tag, or is missing.
pub(crate) fn matches_if_match(request: &HeaderMap, tag: Option<&str>) -> bool {
    named(request, &header::IF_MATCH, tag, Comparison::Strong).unwrap_or(true)
}

/// Whether a header asks for any version at all.
pub(crate) fn is_any(request: &HeaderMap, name: &HeaderName) -> bool {
    named(request, name, None, Comparison::Weak).unwrap_or(false)
}

/// 304 with the tag of what the client has.
pub(crate) fn not_modified(tag: Option<&str>) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(tag).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(header::CONTENT_TYPE, JSON.clone());
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
