//! Stripe's calls: <https://docs.stripe.com/api>, as far as a shop needs them.

use crate::frame::{Admitted, Answer, Call, Protocol, Trouble};
use crate::hooks::Provider;
use crate::stripe::error::Refusal;
use crate::stripe::form::Form;
use crate::stripe::ledger::{NewIntent, Refund};
use crate::stripe::lists::{LISTING, page};
use crate::stripe::refunds::NewRefund;
use crate::stripe::tokens::outcome_of;
use crate::{Options, State};
use axum::http::Method;
use serde_json::Value;

/// The smallest and the largest amount of a payment.
const AMOUNTS: std::ops::RangeInclusive<u64> = 50..=99_999_999;

const REFUND_REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];
const CANCEL_REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];

/// The protocol.
pub(crate) struct Stripe;

impl Protocol for Stripe {
    fn provider(&self) -> Provider {
        Provider::Stripe
    }

    fn keeps(&self, _status: u16) -> bool {
        true
    }

    fn admit(&self, options: &Options, call: &Call) -> Result<Admitted, Answer> {
        let bearer = call.header("authorization").and_then(|text| text.strip_prefix("Bearer ")).map(str::to_owned);
        let shown = bearer.or_else(|| call.basic().map(|(user, _)| user)).unwrap_or_default();
        let browser = shown == options.stripe_publishable_key;
        if !browser && shown != options.stripe_secret_key {
            let refusal = Refusal::invalid("api_key_invalid", "Invalid API Key provided");
            return Err(Answer { status: 401, body: refusal.shown(), kept: false });
        }
        let is_form = call.header("content-type").is_some_and(|it| it.starts_with("application/x-www-form-urlencoded"));
        let posts = call.method == Method::POST;
        let key = call.header("idempotency-key").filter(|_| posts).map(|name| {
            // Compared by what it says, in whatever order.
            let mut fields: Vec<_> = url::form_urlencoded::parse(&call.body).into_owned().collect();
            fields.sort();
            (name.to_owned(), format!("{} {fields:?}", call.what()))
        });
        let mut breaches = Vec::new();
        let mut require = |holds: bool, what: &str| {
            if !holds {
                breaches.push(what.to_owned());
            }
        };
        require(!posts || is_form || call.body.is_empty(), "the body is no form");
        if !browser {
            require(!call.query.contains("secret"), "a secret stands in the URL");
            require(call.header("stripe-version").is_some(), "no Stripe-Version");
            require(!posts || key.is_some(), "no Idempotency-Key");
            require(key.as_ref().is_none_or(|(name, _)| name.len() <= 255), "a key has at most 255 characters");
        }
        Ok(Admitted { breaches, key, browser })
    }

    fn trouble(&self, trouble: Trouble) -> Answer {
        let (status, kind, code) = match trouble {
            Trouble::Busy => (429, "invalid_request_error", "rate_limit"),
            Trouble::Broken => (500, "api_error", "api_error"),
            Trouble::KeyInUse => (409, "idempotency_error", "idempotency_key_in_use"),
            Trouble::KeyReused => (400, "idempotency_error", "idempotency_error"),
        };
        let message = match trouble {
            Trouble::Busy => "Too many requests hit the API too quickly.",
            Trouble::Broken => "An unknown error occurred.",
            Trouble::KeyInUse => "There is currently another in-progress request using this Idempotency Key.",
            Trouble::KeyReused => "Keys for idempotent requests can only be used with the same parameters.",
        };
        let refusal = Refusal { kind: kind.to_owned(), ..Refusal::invalid(code, message) };
        Answer { status, body: refusal.shown(), kept: true }
    }

    fn perform(&self, state: &mut State, call: &Call, caller: &Admitted) -> Answer {
        match perform(state, call, caller) {
            Ok(body) => Answer::ok(body),
            Err(refusal) => Answer { status: refusal.status, body: refusal.shown(), kept: refusal.kept },
        }
    }
}

fn perform(state: &mut State, call: &Call, caller: &Admitted) -> Result<Value, Refusal> {
    let parts = call.parts();
    if caller.browser {
        return from_browser(state, call, &parts);
    }
    match (call.method.as_str(), parts.as_slice()) {
        ("POST", ["payment_intents"]) => create(state, call),
        ("POST", ["payment_intents", id, "confirm"]) => confirm(state, call, id),
        ("POST", ["payment_intents", id, "capture"]) => {
            let form = form(state, call, &CAPTURE)?;
            let intent = state.stripe.capture(id, form.number("amount_to_capture")?)?;
            Ok(intent.shown(&state.stripe.base))
        }
        ("POST", ["payment_intents", id, "cancel"]) => {
            let form = form(state, call, &CANCEL)?;
            let intent = state.stripe.cancel(id, form.one_of("cancellation_reason", &CANCEL_REASONS)?)?;
            Ok(intent.shown(&state.stripe.base))
        }
        ("GET", ["payment_intents", id]) => Ok(state.stripe.intent(id)?.shown(&state.stripe.base)),
        ("GET", ["payment_intents"]) => {
            let query = query(state, call, &LISTING)?;
            let base = &state.stripe.base;
            let all = state.stripe.intents.values().rev();
            page(
                &query,
                "/v1/payment_intents",
                all.map(|intent| (intent.id.clone(), intent.created, intent.shown(base))),
            )
        }
        ("POST", ["refunds"]) => refund(state, call),
        ("GET", ["refunds", id]) => Ok(state.stripe.refund(id)?.shown()),
        ("GET", ["refunds"]) => {
            let query = query(state, call, &[&LISTING[..], &["payment_intent"]].concat())?;
            let shown = |refund: &Refund| (refund.id.clone(), refund.created, refund.shown());
            match query.get("payment_intent") {
                Some(id) => page(&query, "/v1/refunds", state.stripe.refunds_of(id).rev().map(shown)),
                None => page(&query, "/v1/refunds", state.stripe.refunds.values().rev().map(shown)),
            }
        }
        ("GET", ["disputes", id]) => {
            state.stripe.disputes.get(*id).map(|it| it.shown()).ok_or_else(|| Refusal::missing("dispute", id))
        }
        ("GET", ["disputes"]) => {
            let query = query(state, call, &[&LISTING[..], &["payment_intent"]].concat())?;
            let all = state.stripe.disputes.values().rev();
            let of_intent = all.filter(|it| query.get("payment_intent").is_none_or(|id| it.payment_intent == id));
            page(&query, "/v1/disputes", of_intent.map(|it| (it.id.clone(), it.created, it.shown())))
        }
        _ => {
            let message = format!("Unrecognized request URL ({}: {}).", call.method, call.path);
            state.breach(&message);
            Err(Refusal { status: 404, kept: false, ..Refusal::invalid("url_invalid", message) })
        }
    }
}

/// A browser may look at a payment whose client secret it has, and try to pay it.
fn from_browser(state: &mut State, call: &Call, parts: &[&str]) -> Result<Value, Refusal> {
    let of = |id: &str| state.stripe.intent(id).map(|intent| intent.client_secret());
    let secret = match (call.method.as_str(), parts) {
        ("GET", ["payment_intents", id]) => (of(id)?, query(state, call, &["client_secret"])?),
        ("POST", ["payment_intents", id, "confirm"]) => (of(id)?, form(state, call, &CONFIRM)?),
        _ => {
            let message = "This API call cannot be made with a publishable API key.";
            return Err(Refusal { status: 401, kept: false, ..Refusal::invalid("secret_key_required", message) });
        }
    };
    if secret.1.get("client_secret") != Some(secret.0.as_str()) {
        let message = "The client_secret provided does not match the one of this PaymentIntent.";
        return Err(Refusal::invalid("payment_intent_invalid_parameter", message));
    }
    match parts {
        [_, id, "confirm"] => confirm(state, call, id),
        [_, id, ..] => Ok(state.stripe.intent(id)?.shown(&state.stripe.base)),
        _ => Err(Refusal::missing("payment_intent", "")),
    }
}

/// The fields of a new payment.
const CREATE: [&str; 11] = [
    "amount",
    "currency",
    "capture_method",
    "confirm",
    "payment_method",
    "payment_method_types",
    "return_url",
    "metadata",
    "automatic_payment_methods",
    "description",
    "off_session",
];

/// The fields of a capture.
const CAPTURE: [&str; 2] = ["amount_to_capture", "metadata"];

/// The fields of a cancellation.
const CANCEL: [&str; 1] = ["cancellation_reason"];

/// The fields of a refund.
const REFUND: [&str; 4] = ["payment_intent", "amount", "reason", "metadata"];

/// The fields of a confirmation. `client_secret` is a browser's.
const CONFIRM: [&str; 4] = ["payment_method", "return_url", "off_session", "client_secret"];

fn form(state: &mut State, call: &Call, known: &[&str]) -> Result<Form, Refusal> {
    read(state, call, &call.body, known)
}

fn query(state: &mut State, call: &Call, known: &[&str]) -> Result<Form, Refusal> {
    read(state, call, call.query.as_bytes(), known)
}

fn read(state: &mut State, call: &Call, text: &[u8], known: &[&str]) -> Result<Form, Refusal> {
    let (breaches, result) = match Form::parse(text, known) {
        Ok(form) => (form.breaches.clone(), Ok(form)),
        Err((breaches, refusal)) => (breaches, Err(refusal)),
    };
    breaches.iter().for_each(|breach| state.breach(&format!("{}: {breach}", call.what())));
    result
}

fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let form = form(state, call, &CREATE)?;
    form.required("amount")?;
    let amount = form.number("amount").inspect_err(|refusal| state.breach(&refusal.message))?.unwrap_or_default();
    if !AMOUNTS.contains(&amount) {
        let code = if amount < *AMOUNTS.start() { "amount_too_small" } else { "amount_too_large" };
        return Err(Refusal::parameter(code, "amount", format!("Amount must be in {AMOUNTS:?}")));
    }
    let currency = form.required("currency")?;
    if currency.bytes().any(|letter| !letter.is_ascii_lowercase()) {
        state.breach(&format!("{}: the currency is not in small letters", call.what()));
    }
    let methods = ["automatic", "automatic_async", "manual"];
    let new = NewIntent {
        amount,
        currency: currency.to_ascii_lowercase(),
        capture_method: form.one_of("capture_method", &methods)?.unwrap_or("automatic_async").to_owned(),
        payment_method: form.get("payment_method").map(str::to_owned),
        metadata: form.metadata(),
    };
    if let Some(payment_method) = form.get("payment_method") {
        outcome_of(payment_method)?;
    }
    let confirms = form.one_of("confirm", &["true", "false"])? == Some("true");
    let mut intent = state.stripe.create(new);
    if confirms {
        intent = state.stripe.confirm(&intent.id, None, form.get("return_url"))?;
    }
    Ok(intent.shown(&state.stripe.base))
}

fn confirm(state: &mut State, call: &Call, id: &str) -> Result<Value, Refusal> {
    let form = form(state, call, &CONFIRM)?;
    let intent = state.stripe.confirm(id, form.get("payment_method"), form.get("return_url"))?;
    Ok(intent.shown(&state.stripe.base))
}

fn refund(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let form = form(state, call, &REFUND)?;
    let new = NewRefund {
        payment_intent: form.required("payment_intent")?.to_owned(),
        amount: form.number("amount").inspect_err(|refusal| state.breach(&refusal.message))?,
        reason: form.one_of("reason", &REFUND_REASONS)?.map(str::to_owned),
        metadata: form.metadata(),
    };
    Ok(state.stripe.give_back(new)?.shown())
}

#[cfg(test)]
mod tests {
    use super::{CANCEL, CANCEL_REASONS, CAPTURE, CONFIRM, CREATE, LISTING, REFUND, REFUND_REASONS};
    use crate::stripe::ledger::{Ledger, NewIntent};
    use crate::stripe::refunds::NewRefund;
    use serde_json::{Value, json};

    /// The names in Stripe's published OpenAPI document, as far as they are spoken here; `source` says where it is from.
    fn published() -> Value {
        serde_json::from_str(include_str!("published.json")).unwrap()
    }

    fn names(value: &Value) -> Vec<&str> {
        value.as_array().unwrap().iter().filter_map(Value::as_str).collect()
    }

    #[test]
    fn no_field_is_taken_that_stripe_has_not_published() {
        let published = published();
        let of_intents = "/v1/payment_intents";
        for (call, fields) in [
            (format!("POST {of_intents}"), &CREATE[..]),
            (format!("POST {of_intents}/{{intent}}/confirm"), &CONFIRM),
            (format!("POST {of_intents}/{{intent}}/capture"), &CAPTURE),
            (format!("POST {of_intents}/{{intent}}/cancel"), &CANCEL),
            ("POST /v1/refunds".to_owned(), &REFUND),
            (format!("GET {of_intents}"), &LISTING),
            ("GET /v1/refunds".to_owned(), &LISTING),
        ] {
            let known = names(&published["requests"][&call]);
            for field in fields {
                assert!(known.contains(field), "{call}: {field}");
            }
        }
        let reasons = |name: &str| names(&published["enums"][name]).len();
        assert_eq!(reasons("POST /v1/payment_intents/{intent}/cancel cancellation_reason"), CANCEL_REASONS.len());
        assert_eq!(reasons("POST /v1/refunds reason"), REFUND_REASONS.len());
    }

    #[test]
    fn no_field_is_shown_that_stripe_has_not_published() {
        let published = published();
        let mut ledger = Ledger::new("http://x".to_owned());
        let payment_method = Some("pm_card_visa".to_owned());
        let new = NewIntent { amount: 1000, currency: "inr".to_owned(), payment_method, ..NewIntent::default() };
        let intent = ledger.create(new).id;
        let paid = ledger.confirm(&intent, None, None).unwrap();
        let refund = ledger.give_back(NewRefund { payment_intent: intent, ..NewRefund::default() }).unwrap();
        for (object, shown) in [("payment_intent", paid.shown("http://x")), ("refund", refund.shown())] {
            let known = names(&published["objects"][object]);
            for field in shown.as_object().unwrap().keys() {
                assert!(known.contains(&field.as_str()), "{object}: {field}");
            }
            assert_eq!(shown["object"], json!(object));
        }
    }
}
