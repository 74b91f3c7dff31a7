//! HTTP calls as the tests read them: `shop.orders().post("/api/orders", body).await.is(201).json()`.

use crate::poll;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What stands in front of the token in the link of a guest.
const GUEST_LINK: &str = "/api/orders/guest/";

/// Calls one service. Every call opens a connection of its own, so that a restart in between is not seen as a failure
/// of an old connection.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// A client of the service at `base` (`http://127.0.0.1:8081`).
    pub fn new(base: impl Into<String>) -> Self {
        let http = http_client::client()
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        Self { http, base: base.into(), token: None }
    }

    /// The same client with this token on every call.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The service's URL without a path.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A call of any kind, without a body.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let what = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Call { request, what }
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// Waits until the service shows this many dead letters for the query; gives them.
    pub async fn dead_letters(&self, query: &str, count: usize) -> Vec<Value> {
        poll::eventually(&format!("{count} dead letters"), async || {
            let letters = self.get(&format!("/api/admin/dead-letters?{query}")).await.is(200).array();
            if letters.len() == count { Ok(letters) } else { Err(format!("{letters:?}")) }
        })
        .await
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// `POST path` with a JSON body.
    pub fn post(&self, path: &str, body: Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// `PUT path` with a JSON body.
    pub fn put(&self, path: &str, body: Value) -> Call {
        self.call(Method::PUT, path).json(body)
    }

    /// `PATCH path` with a JSON body.
    pub fn patch(&self, path: &str, body: Value) -> Call {
        self.call(Method::PATCH, path).json(body)
    }
}

/// A call that has not been made yet; `.await` makes it and fails the test where no answer comes.
#[derive(Debug)]
pub struct Call {
    request: RequestBuilder,
    what: String,
}

impl Call {
    /// With a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value), ..self }
    }

    /// With an `Idempotency-Key`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With any body.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self { request: self.request.header("content-type", content_type).body(body), ..self }
    }

    /// Makes the call; an error where no answer comes, such as a refused connection.
    pub async fn attempt(self) -> Result<Response, reqwest::Error> {
        let response = self.request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Response { status, headers, text: response.text().await?, what: self.what })
    }
}

impl IntoFuture for Call {
    type Output = Response;
    type IntoFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let what = self.what.clone();
            self.attempt().await.unwrap_or_else(|error| panic!("{what} got no answer: {error:?}"))
        })
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body, digit by digit.
    pub text: String,
    what: String,
}

impl Response {
    /// The answer, provided that it has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} answered {}", self.what, self.text);
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error} in {:?}", self.what, self.text))
    }

    /// The body as a JSON array.
    #[track_caller]
    pub fn array(&self) -> Vec<Value> {
        match self.json() {
            Value::Array(rows) => rows,
            other => panic!("{} answered no array: {other}", self.what),
        }
    }

    /// A header that must be there.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.find_header(name).unwrap_or_else(|| panic!("{} answered without {name}: {:?}", self.what, self.headers))
    }

    /// A header that may be there.
    pub fn find_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The problem, provided that it is one of this status and of the kind `/problems/{slug}`, whole in every part
    /// that RFC 9457 and the contract ask for.
    #[track_caller]
    pub fn problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{} answered {}", self.what, self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.what);
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{}: {problem}", self.what);
        assert_eq!(problem["status"].to_string(), status.to_string(), "{}: {problem}", self.what);
        for field in ["title", "detail"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{}: {problem}", self.what);
        }
        let path = self.what.split(' ').nth(1).and_then(|uri| uri.split('?').next());
        // The token in the link of a guest is a secret, which no problem repeats.
        let path = path.map(|path| match path.strip_prefix(GUEST_LINK) {
            Some(rest) => format!("{GUEST_LINK}hidden{}", rest.find('/').map_or("", |end| &rest[end..])),
            None => path.to_owned(),
        });
        assert_eq!(problem["instance"].as_str(), path.as_deref(), "{problem}");
        let timestamp = problem["timestamp"].as_str().unwrap_or_default();
        let at = OffsetDateTime::parse(timestamp, &Rfc3339).unwrap_or_else(|error| panic!("{timestamp}: {error}"));
        assert!(timestamp.ends_with('Z'), "{timestamp} is not in UTC");
        assert!((OffsetDateTime::now_utc() - at).abs() < time::Duration::minutes(1), "{timestamp} is not now");
        problem
    }

    /// The fields at fault of a 400, in alphabetical order.
    #[track_caller]
    pub fn fields_at_fault(&self) -> Vec<String> {
        let problem = self.problem(400, "validation");
        let errors = problem["errors"].as_object().unwrap_or_else(|| panic!("no errors in {problem}"));
        let mut fields: Vec<String> = errors.keys().cloned().collect();
        fields.sort();
        fields
    }

    /// A 503 that says when to try again.
    #[track_caller]
    pub fn unavailable(&self) -> Value {
        let seconds: u32 = self.header("retry-after").parse().expect("Retry-After in seconds");
        assert!((1..=60).contains(&seconds), "Retry-After: {seconds}");
        self.problem(503, "unavailable")
    }

    /// The path of the next page, where a `Link` header names one.
    #[track_caller]
    pub fn next_page(&self) -> Option<String> {
        let link = self.find_header("link")?;
        let path = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
        Some(path.unwrap_or_else(|| panic!("unexpected Link: {link}")).to_owned())
    }
}
