//! Stripe's calls: <https://docs.stripe.com/api>, as far as a shop needs them.

use crate::frame::{Admitted, Answer, Call, Protocol, Trouble};
use crate::hooks::Provider;
use crate::stripe::error::Refusal;
use crate::stripe::form::Form;
use crate::stripe::ledger::NewIntent;
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
            let form = form(state, call, &["amount_to_capture", "final_capture", "metadata"])?;
            let intent = state.stripe.capture(id, form.number("amount_to_capture")?)?;
            Ok(intent.shown(&state.stripe.base))
        }
        ("POST", ["payment_intents", id, "cancel"]) => {
            let form = form(state, call, &["cancellation_reason"])?;
            let intent = state.stripe.cancel(id, form.one_of("cancellation_reason", &CANCEL_REASONS)?)?;
            Ok(intent.shown(&state.stripe.base))
        }
        ("GET", ["payment_intents", id]) => Ok(state.stripe.intent(id)?.shown(&state.stripe.base)),
        ("GET", ["payment_intents"]) => {
            let query = query(state, call, &LISTING)?;
            let base = &state.stripe.base;
            let all = state.stripe.intents.values().rev();
            page(&query, "/v1/payment_intents", all.map(|intent| (&*intent.id, intent.created, intent.shown(base))))
        }
        ("POST", ["refunds"]) => refund(state, call),
        ("GET", ["refunds", id]) => Ok(state.stripe.refund(id)?.shown()),
        ("GET", ["refunds"]) => {
            let query = query(state, call, &[&LISTING[..], &["payment_intent", "charge"]].concat())?;
            let all = state.stripe.refunds.values().rev();
            let of_intent = all.filter(|it| query.get("payment_intent").is_none_or(|id| it.payment_intent == id));
            let of_charge =
                of_intent.filter(|it| query.get("charge").is_none_or(|id| it.charge.as_deref() == Some(id)));
            page(&query, "/v1/refunds", of_charge.map(|refund| (&*refund.id, refund.created, refund.shown())))
        }
        ("GET", ["disputes", id]) => {
            state.stripe.disputes.get(*id).map(|it| it.shown()).ok_or_else(|| Refusal::missing("dispute", id))
        }
        ("GET", ["disputes"]) => {
            let query = query(state, call, &[&LISTING[..], &["payment_intent"]].concat())?;
            let all = state.stripe.disputes.values().rev();
            let of_intent = all.filter(|it| query.get("payment_intent").is_none_or(|id| it.payment_intent == id));
            page(&query, "/v1/disputes", of_intent.map(|it| (&*it.id, it.created, it.shown())))
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
    let known = [
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
    let form = form(state, call, &known)?;
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
    let form = form(state, call, &["payment_intent", "amount", "reason", "metadata"])?;
    let new = NewRefund {
        payment_intent: form.required("payment_intent")?.to_owned(),
        amount: form.number("amount").inspect_err(|refusal| state.breach(&refusal.message))?,
        reason: form.one_of("reason", &REFUND_REASONS)?.map(str::to_owned),
        metadata: form.metadata(),
    };
    Ok(state.stripe.give_back(new)?.shown())
}
