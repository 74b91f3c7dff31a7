//! Razorpay's calls: <https://razorpay.com/docs/api>, as far as a shop needs them.

use crate::frame::{Admitted, Answer, Call, Protocol, Trouble};
use crate::hooks::Provider;
use crate::razorpay::error::Refusal;
use crate::razorpay::fields;
use crate::razorpay::ledger::{NewOrder, Order};
use crate::razorpay::refunds::NewRefund;
use crate::{Options, State};
use axum::http::Method;
use serde_json::{Map, Value, json};

/// What every list can be asked with.
const LISTING: [&str; 4] = ["from", "to", "count", "skip"];

/// The protocol.
pub(crate) struct Razorpay;

impl Protocol for Razorpay {
    fn provider(&self) -> Provider {
        Provider::Razorpay
    }

    fn keeps(&self, status: u16) -> bool {
        status < 300
    }

    fn admit(&self, options: &Options, call: &Call) -> Result<Admitted, Answer> {
        if call.basic() != Some((options.razorpay_key_id.clone(), options.razorpay_key_secret.clone())) {
            let refusal = Refusal { status: 401, ..Refusal::bad("Authentication failed") };
            return Err(Answer { status: 401, body: refusal.shown(), kept: false });
        }
        let mut breaches = Vec::new();
        let mut require = |holds: bool, what: &str| {
            if !holds {
                breaches.push(what.to_owned());
            }
        };
        let posts = call.method == Method::POST;
        let is_json = call.header("content-type").is_some_and(|it| it.starts_with("application/json"));
        require(!posts || is_json, "the body is no JSON");
        require(!call.query.contains(&options.razorpay_key_secret), "a secret stands in the URL");
        let refunds = posts && matches!(call.parts().as_slice(), ["payments", _, "refund"]);
        let key = call.header("x-refund-idempotency").filter(|_| refunds).map(|name| {
            // Compared by what it says, in whatever order.
            let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
            (name.to_owned(), format!("{} {body}", call.what()))
        });
        require(!refunds || key.is_some(), "no X-Refund-Idempotency");
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if key.as_ref().is_some_and(|(name, _)| name.len() < 10 || !name.chars().all(legal)) {
            let description = "The idempotency key must have at least 10 letters, digits, hyphens or underscores";
            return Err(Answer { status: 400, body: Refusal::bad(description).shown(), kept: false });
        }
        Ok(Admitted { breaches, key, browser: false })
    }

    fn trouble(&self, trouble: Trouble) -> Answer {
        let of = |status, code: &str, description: &str| {
            let refusal = Refusal { status, code: code.to_owned(), ..Refusal::bad(description) };
            Answer { status, body: refusal.shown(), kept: true }
        };
        match trouble {
            Trouble::Busy => of(429, "BAD_REQUEST_ERROR", "Request failed. Please try after sometime."),
            Trouble::Broken => {
                of(500, "SERVER_ERROR", "We are facing some trouble completing your request at the moment.")
            }
            Trouble::KeyInUse => {
                of(409, "BAD_REQUEST_ERROR", "Another request with the same idempotency key is being processed.")
            }
            Trouble::KeyReused => of(
                400,
                "BAD_REQUEST_ERROR",
                "Different request with the same idempotency key has already been processed.",
            ),
        }
    }

    fn perform(&self, state: &mut State, call: &Call, _caller: &Admitted) -> Answer {
        match perform(state, call) {
            Ok(body) => Answer::ok(body),
            Err(refusal) => {
                if refusal.breach {
                    state.breach(&format!("{}: {}", call.what(), refusal.description));
                }
                Answer { status: refusal.status, body: refusal.shown(), kept: false }
            }
        }
    }
}

fn perform(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let ledger = &mut state.razorpay;
    match (call.method.as_str(), call.parts().as_slice()) {
        ("POST", ["orders"]) => create(state, call),
        ("GET", ["orders", id]) => Ok(ledger.order(id)?.shown()),
        ("GET", ["orders", id, "payments"]) => {
            let order = ledger.order(id)?;
            Ok(collection(ledger.payments_of(&order.id).rev().map(|payment| payment.shown()).collect()))
        }
        ("GET", ["orders"]) => {
            let query = fields::query(call, &[&LISTING[..], &["receipt", "authorized"]].concat())?;
            let shown = |order: &Order| (order.created_at, order.shown());
            match query.get("receipt") {
                Some(receipt) => page(&query, ledger.orders_of(receipt).rev().map(shown)),
                None => page(&query, ledger.orders.values().rev().map(shown)),
            }
        }
        ("GET", ["payments", id]) => Ok(ledger.payment(id)?.shown()),
        ("GET", ["payments"]) => {
            let query = fields::query(call, &LISTING)?;
            page(&query, ledger.payments.values().rev().map(|payment| (payment.created_at, payment.shown())))
        }
        ("POST", ["payments", id, "capture"]) => {
            let body = fields::body(call, &["amount", "currency"])?;
            let payment = ledger.payment(id)?;
            if fields::text(&body, "currency")?.is_some_and(|currency| currency != payment.currency) {
                return Err(Refusal::field("currency", "Payment currency mismatch"));
            }
            let amount = fields::amount(&body)?.ok_or_else(|| required("amount"))?;
            Ok(ledger.capture(id, amount)?.shown())
        }
        ("POST", ["payments", id, "refund"]) => {
            let body = fields::body(call, &["amount", "speed", "receipt", "notes"])?;
            let speed = fields::text(&body, "speed")?;
            if speed.as_deref().is_some_and(|speed| !["normal", "optimum"].contains(&speed)) {
                return Err(Refusal::field("speed", "The speed must be normal or optimum"));
            }
            let (amount, receipt) = (fields::amount(&body)?, fields::text(&body, "receipt")?);
            let new = NewRefund { amount, speed, receipt, notes: fields::notes(&body)? };
            Ok(ledger.give_back(id, new)?.shown())
        }
        ("GET", ["payments", id, "refunds"]) => {
            let payment = ledger.payment(id)?;
            let query = fields::query(call, &LISTING)?;
            let of_it = ledger.refunds.values().rev().filter(|refund| refund.payment_id == payment.id);
            page(&query, of_it.map(|refund| (refund.created_at, refund.shown())))
        }
        ("GET", ["payments", _, "refunds", id] | ["refunds", id]) => Ok(ledger.refund(id)?.shown()),
        ("GET", ["refunds"]) => {
            let query = fields::query(call, &LISTING)?;
            page(&query, ledger.refunds.values().rev().map(|refund| (refund.created_at, refund.shown())))
        }
        _ => {
            let refusal = Refusal::bad("The requested URL was not found on the server.");
            Err(Refusal { status: 404, breach: true, ..refusal })
        }
    }
}

fn required(field: &str) -> Refusal {
    Refusal::field(field, format!("The {field} field is required."))
}

fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let known =
        ["amount", "currency", "receipt", "notes", "unique_receipt", "partial_payment", "payment", "payment_capture"];
    let body = fields::body(call, &known)?;
    let amount = fields::amount(&body)?.ok_or_else(|| required("amount"))?;
    let currency = fields::text(&body, "currency")?.ok_or_else(|| required("currency"))?;
    if amount < 100 {
        return Err(Refusal::field("amount", "Order amount less than minimum amount allowed"));
    }
    if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Err(Refusal::field("currency", "The currency must be three capital letters"));
    }
    let receipt = fields::text(&body, "receipt")?;
    if receipt.as_ref().is_some_and(|receipt| receipt.chars().count() > 40) {
        return Err(Refusal::field("receipt", "The receipt may not be greater than 40 characters."));
    }
    let automatic = is_automatic(&body)?;
    let new = NewOrder { amount, currency, receipt, notes: fields::notes(&body)?, automatic };
    let earlier = new.receipt.as_deref().and_then(|receipt| state.razorpay.orders_of(receipt).next().cloned());
    match (earlier, body.get("unique_receipt") == Some(&json!(true))) {
        (Some(order), true) if (order.amount, &order.currency) == (new.amount, &new.currency) => Ok(order.shown()),
        (Some(_), true) => Err(Refusal::field("receipt", "An order with another amount has this receipt already")),
        (earlier, _) => {
            if earlier.is_some() {
                state.breach(&format!("{}: a second order with the same receipt", call.what()));
            }
            if new.receipt.is_none() {
                state.breach(&format!("{}: no receipt", call.what()));
            }
            Ok(state.razorpay.create(new).shown())
        }
    }
}

/// Whether payments of the order are captured by themselves, in the present way to say it or in the old one.
fn is_automatic(body: &Map<String, Value>) -> Result<bool, Refusal> {
    let wrong = || Refusal::field("payment", "payment.capture must be automatic or manual");
    let Some(payment) = body.get("payment") else {
        return Ok(matches!(body.get("payment_capture"), Some(old) if *old == json!(1) || *old == json!(true)));
    };
    let known = ["capture", "capture_options"];
    if payment.as_object().is_none_or(|fields| fields.keys().any(|name| !known.contains(&name.as_str()))) {
        return Err(wrong());
    }
    match payment["capture"].as_str() {
        Some("automatic") => Ok(true),
        Some("manual") => Ok(false),
        _ => Err(wrong()),
    }
}

/// The asked page of all entities, which come newest first, each with when it was made.
fn page(
    query: &std::collections::BTreeMap<String, String>,
    all: impl Iterator<Item = (u64, Value)>,
) -> Result<Value, Refusal> {
    let (from, to) = (fields::number(query, "from", 0)?, fields::number(query, "to", u64::MAX)?);
    let (count, skip) = (fields::number(query, "count", 10)?, fields::number(query, "skip", 0)?);
    if !(1..=100).contains(&count) {
        return Err(Refusal::field("count", "The count must be between 1 and 100"));
    }
    let wanted = all.filter(|(created, _)| (from..=to).contains(created)).map(|(_, shown)| shown);
    Ok(collection(wanted.skip(skip as usize).take(count as usize).collect()))
}

fn collection(items: Vec<Value>) -> Value {
    json!({"entity": "collection", "count": items.len(), "items": items})
}
