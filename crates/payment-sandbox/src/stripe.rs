//! Stripe's protocol: <https://docs.stripe.com/api>, as far as a shop needs it.

use crate::faults::Fault;
use crate::form::Form;
use crate::keys::Claim;
use crate::ledger::{Intent, NewIntent, Refusal};
use crate::{Shared, now};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::future::pending;
use std::sync::Arc;

type Answer = (u16, Value);

pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    #[expect(clippy::disallowed_methods, reason = "a stand-in knows no callers")]
    Router::new()
        .route("/bank/{intent}", get(bank))
        .route("/bank/{intent}/{answer}", post(bank_answers))
        .fallback(call)
        .with_state(shared)
}

/// The page of a customer's bank.
async fn bank(Path(intent): Path<String>) -> Html<String> {
    let button = |answer: &str, text: &str| {
        format!("<form method=post action=\"/bank/{intent}/{answer}\"><button>{text}</button></form>")
    };
    Html(format!("<h1>Your bank</h1>{}{}", button("yes", "Pay"), button("no", "Do not pay")))
}

async fn bank_answers(State(shared): State<Arc<Shared>>, Path((intent, answer)): Path<(String, String)>) -> Response {
    match shared.change(|ledger| ledger.act(&intent, answer == "yes")) {
        Ok(_) => Html("<h1>You can go back to the shop.</h1>").into_response(),
        Err(refusal) => shown((refusal.status, error(&refusal, None))),
    }
}

/// Any call of the API.
async fn call(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let what = format!("{method} {}", uri.path());
    let breach = |text: &str| shared.lock().breaches.push(format!("{what}: {text}"));
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if uri.to_string().contains("secret") {
        breach("a secret stands in the URL");
    }
    if text("authorization") != Some(format!("Bearer {}", shared.key())) {
        return shown((401, json!({"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}})));
    }
    if text("stripe-version").is_none() {
        breach("no Stripe-Version");
    }
    let fault = shared.lock().faults.next(&what);
    match fault {
        Some(Fault::SilenceBefore) => pending::<()>().await,
        Some(Fault::TooMany) => {
            let error = json!({"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many"}});
            let mut response = shown((429, error));
            response.headers_mut().insert("retry-after", axum::http::HeaderValue::from_static("1"));
            return response;
        }
        Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let key = text("idempotency-key");
    if method == Method::POST {
        if text("content-type").as_deref() != Some("application/x-www-form-urlencoded") {
            breach("the body is no form");
        }
        let Some(key) = &key else {
            breach("no Idempotency-Key");
            return shown((400, json!({"error": {"type": "invalid_request_error", "message": "no key"}})));
        };
        let request = format!("{what} {}", String::from_utf8_lossy(&body));
        let claim = shared.lock().keys.claim(key, &request);
        match claim {
            Claim::First => {}
            Claim::Repeat(status, body) => return text_of(status, body, true),
            Claim::InFlight => return shown(idempotency(409, "idempotency_key_in_use")),
            Claim::Reused => {
                breach("a key was reused with another request");
                return shown(idempotency(400, "idempotency_error"));
            }
            Claim::TooOld => {
                breach("a call after 23 hours under an old key");
                return shown(idempotency(400, "idempotency_error"));
            }
        }
    }
    let (status, value) = match fault {
        Some(Fault::Error) => (500, json!({"error": {"type": "api_error", "message": "Something went wrong"}})),
        _ => match perform(&shared, &method, uri.path(), query.as_deref(), &body) {
            Ok(done) => done,
            Err(refusal) => refused(&shared, &refusal),
        },
    };
    let value = match fault {
        Some(Fault::WrongAmount) => other_amount(value),
        _ => value,
    };
    let (status, body) = match fault {
        Some(Fault::ErrorAfter) => (500, json!({"error": {"type": "api_error", "message": "Lost"}}).to_string()),
        _ => (status, value.to_string()),
    };
    if let Some(key) = &key {
        shared.lock().keys.answered(key, status, &body);
    }
    match fault {
        Some(Fault::SilenceAfter) => pending().await,
        Some(Fault::Cut) => text_of(status, body[..body.len() / 2].to_owned(), false),
        _ => text_of(status, body, false),
    }
}

fn idempotency(status: u16, code: &str) -> Answer {
    (status, json!({"error": {"type": "idempotency_error", "code": code, "message": "See Idempotency-Key"}}))
}

fn other_amount(mut value: Value) -> Value {
    for field in ["amount", "amount_received"] {
        if let Some(amount) = value[field].as_u64() {
            value[field] = json!(amount + 1);
        }
    }
    value
}

fn error(refusal: &Refusal, intent: Option<Value>) -> Value {
    let Refusal { kind, code, message, .. } = refusal;
    let decline = (*kind == "card_error").then_some(code);
    json!({"error": {
        "type": kind, "code": code, "decline_code": decline, "message": message, "payment_intent": intent,
    }})
}

fn refused(shared: &Shared, refusal: &Refusal) -> Answer {
    let state = shared.lock();
    let intent = refusal.intent.as_ref().and_then(|id| state.ledger.intent(id).ok());
    (refusal.status, error(refusal, intent.map(|intent| intent.shown(shared.base()))))
}

/// Does what is asked.
fn perform(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: Option<&str>,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    let done = |(_, shown): (Intent, Value)| Ok((200, shown));
    match (method.as_str(), parts.as_slice()) {
        ("POST", ["payment_intents"]) => create(shared, body),
        ("POST", ["payment_intents", id, "confirm"]) => {
            let form = form(shared, path, body, &["payment_method", "return_url"]);
            let payment_method = form.get("payment_method").unwrap_or_default().to_owned();
            done(shared.change(|ledger| ledger.confirm(id, &payment_method))?)
        }
        ("POST", ["payment_intents", id, "capture"]) => {
            let form = form(shared, path, body, &["amount_to_capture"]);
            let amount = number(&form, "amount_to_capture")?;
            done(shared.change(|ledger| ledger.capture(id, amount))?)
        }
        ("POST", ["payment_intents", id, "cancel"]) => {
            let form = form(shared, path, body, &["cancellation_reason"]);
            done(shared.change(|ledger| ledger.cancel(id, form.get("cancellation_reason")))?)
        }
        ("GET", ["payment_intents", id]) => Ok((200, shared.lock().ledger.intent(id)?.shown(shared.base()))),
        ("GET", ["payment_intents"]) => {
            let state = shared.lock();
            let all: Vec<Value> = state.ledger.intents.values().map(|intent| intent.shown(shared.base())).collect();
            Ok((200, json!({"object": "list", "data": all, "has_more": false})))
        }
        ("POST", ["refunds"]) => refund(shared, path, body),
        ("GET", ["refunds"]) => {
            let wanted = query.unwrap_or_default();
            let asked = url::form_urlencoded::parse(wanted.as_bytes());
            let of = asked.filter(|(name, _)| name == "payment_intent").map(|(_, id)| id.into_owned()).next();
            let state = shared.lock();
            let refunds = state.ledger.refunds.values().filter(|it| of.as_ref().is_none_or(|id| it.payment_intent == *id));
            let refunds: Vec<Value> = refunds.map(crate::ledger::Refund::shown).collect();
            Ok((200, json!({"object": "list", "data": refunds, "has_more": false})))
        }
        _ => Err(Refusal {
            status: 404,
            kind: "invalid_request_error",
            code: "url_invalid",
            message: format!("Unrecognized request URL ({method}: {path})"),
            intent: None,
        }),
    }
}

fn form(shared: &Shared, path: &str, body: &[u8], known: &[&str]) -> Form {
    let (form, breaches) = Form::parse(body, known);
    shared.lock().breaches.extend(breaches.into_iter().map(|breach| format!("{path}: {breach}")));
    form
}

fn number(form: &Form, name: &str) -> Result<Option<u64>, Refusal> {
    form.number(name).map_err(|message| Refusal {
        status: 400,
        kind: "invalid_request_error",
        code: "parameter_invalid_integer",
        message,
        intent: None,
    })
}

fn create(shared: &Shared, body: &[u8]) -> Result<Answer, Refusal> {
    let known = [
        "amount", "currency", "capture_method", "confirm", "payment_method", "payment_method_types", "return_url",
        "metadata", "automatic_payment_methods",
    ];
    let form = form(shared, "/v1/payment_intents", body, &known);
    let currency = form.get("currency").unwrap_or_default().to_owned();
    if currency.bytes().any(|letter| letter.is_ascii_uppercase()) {
        shared.lock().breaches.push("the currency is not in small letters".to_owned());
    }
    let manual = form.get("capture_method") == Some("manual");
    let amount = number(&form, "amount")?.unwrap_or_default();
    let new = NewIntent { amount, currency, manual, metadata: form.metadata(), now: now() };
    let (intent, shown) = shared.change(|ledger| Ok(ledger.create(new)))?;
    if form.get("confirm") != Some("true") {
        return Ok((200, shown));
    }
    let payment_method = form.get("payment_method").unwrap_or_default();
    Ok((200, shared.change(|ledger| ledger.confirm(&intent.id, payment_method))?.1))
}

fn refund(shared: &Shared, path: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let form = form(shared, path, body, &["payment_intent", "amount", "reason", "metadata"]);
    let (id, amount) = (form.get("payment_intent").unwrap_or_default(), number(&form, "amount")?);
    let mut state = shared.lock();
    let refund = state.ledger.refund(id, amount, form.metadata(), now())?;
    let shown = refund.shown();
    shared.tell(&mut state, "refund.created", &shown);
    drop(state);
    shared.keep();
    Ok((200, shown))
}

fn shown((status, value): Answer) -> Response {
    text_of(status, value.to_string(), false)
}

fn text_of(status: u16, body: String, replayed: bool) -> Response {
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    response = response.header("request-id", format!("req_sandbox{}", now()));
    if replayed {
        response = response.header("idempotent-replayed", "true");
    }
    response.body(Body::from(body)).unwrap_or_default()
}
