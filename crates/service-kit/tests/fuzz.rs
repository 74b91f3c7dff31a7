//! Throws changed requests at everything that reads one: no panic, no 500, and what is read is what was written.
//!
//! Two seconds in the ordinary tests; `cargo xtask fuzz --minutes 60` for longer. A failure prints the seed and the input.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fastrand::Rng;
use serde::Deserialize;
use service_kit::answer::{Answer, check_if_match};
use service_kit::body::{self, Body};
use service_kit::contract::{self, Contract};
use service_kit::extract::{Json, Path, Query};
use service_kit::idempotency::IdempotencyKey;
use service_kit::pagination::Page;
use service_kit::prefer::Prefer;
use service_kit::validation::FieldErrors;
use shared_types::{Money, ProductId, Reference, times};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use tower::ServiceExt;
use utoipa::openapi::OpenApi;

/// What inputs begin as.
const BODIES: [&str; 6] = [
    r#"{"name": "Ada\u00e9", "price": 19.90, "quantity": 2e0, "id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "lines": []}"#,
    r#"{"lines": [{"name": "x", "quantity": 1}, {"lines": [{"price": 1.0}]}], "active": true}"#,
    r#"{"price": {"$serde_json::private::Number": "1"}, "quantity": -0.0, "name": "\ud83d\ude00"}"#,
    "\u{feff} {}",
    "[[[[]]]]",
    "null",
];
const QUERIES: [&str; 4] = [
    "limit=5&cursor=7&name=a%2Bb+c",
    "at=2026-11-25T10:00:00+01:00&active=true",
    "quantity=3&name=%C3%A9&nosuch=1",
    "limit=1&limit=2&name=%00",
];
const HEADERS: [&str; 7] = [
    "\"1\"",
    "W/\"1\", \"2\"",
    "*",
    "\"order-1\"",
    "respond-async; a=\"b,\", wait=5",
    "application/json; charset=utf-8",
    "gzip",
];
const TIMES: [&str; 4] = [
    "2026-11-25T10:00:00Z",
    "9999-12-31T23:59:59.999999999-00:01",
    "0000-01-01T00:00:00+23:59",
    "2026-11-25T23:59:60.5 01:00",
];
const NUMBERS: [&str; 6] = ["2499.99", "1.9899999999999999999e0", "-0.0e-400", "1E+19", "9223372036854775807", "0.01"];
const TEXTS: [&str; 4] = ["12 Main St\r\nLondon\t", "\u{202e}a\u{200b}", "👩\u{200d}🔧\u{fe0f}", " \u{3164}\u{feff}"];

/// Pieces that are put in.
const PIECES: [&str; 30] = [
    "\0", "%00", "%zz", "%", "+", "\"", "\\u0000", "\\ud800", "{", "}", "[", "]", ",", ":", "null", "1e400", "-", "0",
    "9", ".", "e", "*", "W/", "\t", "\r\n", "\u{feff}", "\u{202e}", "é", "&", "=",
];

#[derive(Clone, Debug, Deserialize)]
struct Sample {
    name: Option<String>,
    price: Option<Money>,
    quantity: Option<i64>,
    id: Option<Reference>,
    active: Option<bool>,
    lines: Option<Vec<Sample>>,
}

impl Body for Sample {
    fn faults(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        errors.required_text("name", self.name.clone(), 20);
        errors.required_lines("name", self.name.clone(), 20);
        errors.required_number("quantity", self.quantity, 1..=9);
        errors
    }
}

#[derive(Debug, Deserialize)]
struct Filter {
    name: Option<String>,
    at: Option<String>,
    active: Option<bool>,
    quantity: Option<i64>,
}

fn changed(rng: &mut Rng, corpus: &[&str]) -> Vec<u8> {
    let mut input = rng.choice(corpus).unwrap().as_bytes().to_vec();
    for _ in 0..rng.usize(0..6) {
        let at = rng.usize(0..=input.len());
        match rng.u8(0..7) {
            0 if at < input.len() => input[at] = rng.u8(..),
            1 if at < input.len() => drop(input.remove(at)),
            2 => input.truncate(at),
            3 => {
                let other = rng.choice(corpus).unwrap().as_bytes();
                input.splice(at..at, other[rng.usize(0..=other.len())..].iter().copied()).for_each(drop);
            }
            4 if rng.u8(..) < 8 => input = input.repeat(rng.usize(1..60)),
            _ => input.splice(at..at, rng.choice(PIECES).unwrap().bytes()).for_each(drop),
        }
    }
    input
}

async fn take_body(
    key: IdempotencyKey,
    prefer: Prefer,
    headers: HeaderMap,
    Json(sample): Json<Sample>,
) -> Result<Response, Response> {
    assert!(key.key.is_none_or(|key| key.len() <= 255) && key.route.len() < 2000);
    let _ = (prefer, sample);
    check_if_match(&headers, 1).map_err(|fault| fault.problem().into_response())?;
    Ok(StatusCode::CREATED.into_response())
}

async fn take_optional(Path(id): Path<ProductId>, key: IdempotencyKey, body: Option<Json<Sample>>) -> StatusCode {
    assert!(key.key.is_none() || key.route == format!("POST /api/things/{id}/change"), "{key:?}");
    let _ = body;
    StatusCode::OK
}

async fn take_query(page: Page, Query(filter): Query<Filter>, headers: HeaderMap) -> Response {
    let mut errors = FieldErrors::default();
    let time = errors.time("at", filter.at);
    assert!(time.is_none_or(|time| times::text(time).is_some()));
    assert!(filter.name.is_none_or(|name| !name.contains('\0') && name.chars().count() <= 500));
    let _ = (filter.active, filter.quantity);
    let _ = page.answer(vec![1, 2, 3], |row| *row);
    Answer::ok(&1).unwrap().with_version(1).unless_known(&headers)
}

async fn take_reference(Path(id): Path<Reference>, Path(again): Path<Reference>) -> StatusCode {
    assert_eq!(id, again);
    StatusCode::OK
}

fn application() -> Router {
    let parameters: Vec<_> = ["limit", "cursor", "name", "at", "active", "quantity"]
        .map(|name| serde_json::json!({"name": name, "in": "query", "required": false}))
        .into();
    let document: OpenApi = serde_json::from_value(serde_json::json!({
        "openapi": "3.1.0", "info": {"title": "x", "version": "1"},
        "paths": {"/api/things": {"get": {"responses": {}, "parameters": parameters}, "post": {"responses": {}}}}
    }))
    .unwrap();
    let contract = Contract::of(&document);
    let around = move |request: Request, next: Next| {
        let contract = contract.clone();
        async move {
            let headers = request.headers().clone();
            match contract.refusal(&request) {
                Some(problem) => problem.into_response(),
                None if request.method().is_safe() => contract::evaluated(&headers, next.run(request).await),
                None => next.run(request).await,
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "these routes stand for any, and know no callers")]
    Router::new()
        .route("/api/things", get(take_query).post(take_body))
        .route("/api/things/{id}/change", post(take_optional))
        .route("/api/references/{id}", get(take_reference))
        .layer(from_fn(around))
}

fn request(rng: &mut Rng) -> Option<Request> {
    let path = match rng.u8(0..4) {
        0 => b"/api/things/01/change".to_vec(),
        1 => [b"/api/things/", &changed(rng, &NUMBERS)[..], b"/change"].concat(),
        2 => [b"/api/references/", &changed(rng, &["01936F5E-7c3a-7b1e-8a4e-3f1d2c5b6a70"])[..]].concat(),
        _ => [b"/api/things?", &changed(rng, &QUERIES)[..]].concat(),
    };
    let method = rng.choice([Method::GET, Method::HEAD, Method::POST, Method::POST]).unwrap();
    let mut request = Request::new(axum::body::Body::from(changed(rng, &BODIES)));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::try_from(path).ok()?;
    for name in ["if-match", "if-none-match", "idempotency-key", "prefer", "content-encoding", "content-type"] {
        for _ in 0..rng.usize(0..3) {
            let value = HeaderValue::from_bytes(&changed(rng, &HEADERS)).ok()?;
            request.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    if rng.bool() {
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        request.headers_mut().remove("content-encoding");
    }
    Some(request)
}

/// A body is read as serde_json understands it, or refused.
fn check_body(input: &[u8]) {
    let plain = input.strip_prefix("\u{feff}".as_bytes()).unwrap_or(input);
    match body::read::<Sample>(input) {
        Ok(sample) => {
            let value: serde_json::Value = serde_json::from_slice(plain).unwrap();
            assert!(value.is_object());
            assert_eq!(sample.name.as_deref(), value["name"].as_str());
            assert_eq!(sample.active, value["active"].as_bool());
            assert_eq!(sample.price.is_some(), value["price"].is_number());
            assert_eq!(sample.lines.map(|it| it.len()), value["lines"].as_array().map(Vec::len));
            let _ = (sample.quantity, sample.id);
        }
        Err(body::Unreadable::Invalid(errors)) => {
            assert!(!errors.0.is_empty());
            assert!(!errors.to_string().contains("struct "), "{errors}");
        }
        Err(body::Unreadable::Malformed(_)) => assert!(serde_json::from_slice::<serde_json::Value>(plain).is_err()),
    }
}

fn check_number(text: &str) {
    if let Ok(price) = serde_json::from_str::<Money>(text) {
        let again: Money = serde_json::from_str(&price.to_string()).unwrap();
        assert_eq!(again, price);
        let float: f64 = text.trim().parse().unwrap();
        assert!((float - price.to_string().parse::<f64>().unwrap()).abs() < 0.001, "{text} became {price}");
    }
}

fn check_time(text: &str) {
    let mut errors = FieldErrors::default();
    if let Some(time) = errors.time("at", Some(text.to_owned())) {
        let written = times::text(time).unwrap();
        assert_eq!(written.len(), "2026-01-31T12:00:00.000000Z".len());
        assert!((times::parse(&written).unwrap() - time).abs() < time::Duration::MICROSECOND);
    }
}

fn check_text(text: &str) {
    let mut errors = FieldErrors::default();
    let text = || Some(text.to_owned());
    for read in [errors.optional_text("a", text(), 20), errors.optional_lines("b", text(), 20)].into_iter().flatten() {
        assert!(!read.is_empty() && read.chars().count() <= 20 && !read.contains(['\0', '\r', '\t', '\u{202e}']));
        assert_eq!(read.trim(), read);
        assert_eq!(errors.optional_lines("c", Some(read.clone()), 20), Some(read));
    }
}

#[test]
fn nothing_that_reads_a_request_breaks() {
    let minutes = std::env::var("FUZZ_MINUTES").ok().map(|minutes| minutes.parse::<f64>().expect("FUZZ_MINUTES"));
    let length = minutes.map_or(Duration::from_secs(2), |minutes| Duration::from_secs_f64(minutes * 60.0));
    let seed = std::env::var("FUZZ_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("FUZZ_SEED"));
    println!("FUZZ_SEED={seed}");
    let (mut rng, application, until) = (Rng::with_seed(seed), application(), Instant::now() + length);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut inputs, mut taken) = (0_u64, 0_u64);
    while Instant::now() < until {
        inputs += 1;
        let (json, number) = (changed(&mut rng, &BODIES), changed(&mut rng, &NUMBERS));
        let (time, text) = (changed(&mut rng, &TIMES), changed(&mut rng, &TEXTS));
        let checked = catch_unwind(|| {
            check_body(&json);
            check_number(&String::from_utf8_lossy(&number));
            check_time(&String::from_utf8_lossy(&time));
            check_text(&String::from_utf8_lossy(&text));
        });
        let shown = [&json, &number, &time, &text].map(|input| String::from_utf8_lossy(input).into_owned());
        assert!(checked.is_ok(), "FUZZ_SEED={seed}, input {inputs}: {shown:?}");
        let Some(request) = request(&mut rng) else { continue };
        let shown = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
        let answer = catch_unwind(AssertUnwindSafe(|| runtime.block_on(application.clone().oneshot(request)).unwrap()));
        let status = answer.map(|answer| answer.status());
        assert!(status.as_ref().is_ok_and(|it| !it.is_server_error()), "FUZZ_SEED={seed}, input {inputs}: {shown}");
        taken += u64::from(status.is_ok_and(|it| it.is_success()));
    }
    println!("{inputs} inputs, {taken} requests taken");
    assert!(taken * 200 > inputs, "{taken} of {inputs}: inputs that are always refused test little");
}
