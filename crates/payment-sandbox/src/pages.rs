//! What customers see: the page where an order or a payment is paid, and the page of their bank. To programs that do not
//! ask for HTML they answer in JSON.

use crate::frame::Call;
use crate::stripe::tokens::OFFERED;
use crate::{Shared, all_totals, razorpay, stripe};
use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Answers everything that is no call of a protocol.
pub(crate) fn answer(shared: &Arc<Shared>, call: &Call) -> Response<Body> {
    let parts: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&call.body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str);
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["health", "ready"]) => json_answer(200, &json!({"status": "UP"})),
        ("GET", ["totals"]) => json_answer(200, &json!(all_totals(shared))),
        ("GET", [""]) => front(shared),
        ("GET", ["pay", id]) => with_intent(shared, id, pay_page),
        ("POST", ["pay", id]) => {
            let tried = stripe::Stripe(shared).pays(id, field("payment_method").unwrap_or("pm_card_visa"));
            outcome_of_intent(shared, call, tried)
        }
        ("GET", ["bank", id]) => with_intent(shared, id, bank_page),
        ("POST", ["bank", id]) => {
            let tried = stripe::Stripe(shared).acts(id, field("answer") == Some("pay"));
            back_to_shop(&tried).unwrap_or_else(|| outcome_of_intent(shared, call, tried))
        }
        ("GET", ["checkout", id]) => match shared.lock().razorpay.order(id) {
            Ok(order) => html(200, &checkout_page(&order)),
            Err(_) => html(404, "<h1>There is no such order</h1>"),
        },
        ("POST", ["checkout", id]) => {
            let method = field("method").unwrap_or("upi");
            let outcome = field("vpa").unwrap_or("success@razorpay");
            paid(call, razorpay::Razorpay(shared).pays(id, outcome, method))
        }
        _ => html(404, "<h1>There is no such page</h1>"),
    }
}

fn front(shared: &Arc<Shared>) -> Response<Body> {
    let state = shared.lock();
    let intents = state.stripe.intents.values().rev().filter(|intent| intent.waits_for_customer()).take(20);
    let intents = intents.map(|it| item("pay", &it.id, it.amount, &it.currency, it.reference()));
    let orders = state.razorpay.orders.values().rev().filter(|order| order.status != "paid").take(20);
    let orders = orders.map(|it| item("checkout", &it.id, it.amount, &it.currency, it.receipt.as_deref()));
    let list: String = intents.chain(orders).collect();
    html(200, &format!("<h1>Payment sandbox</h1><p>No real money. What waits for its customer:</p><ul>{list}</ul>"))
}

fn item(page: &str, id: &str, amount: u64, currency: &str, reference: Option<&str>) -> String {
    let reference = escaped(reference.unwrap_or_default());
    format!("<li><a href=\"/{page}/{id}\">{id}</a> {} {reference}</li>", money(amount, currency))
}

fn money(amount: u64, currency: &str) -> String {
    format!("{}.{:02} {}", amount / 100, amount % 100, escaped(&currency.to_uppercase()))
}

fn with_intent(shared: &Arc<Shared>, id: &str, page: fn(&stripe::Intent) -> String) -> Response<Body> {
    match shared.lock().stripe.intent(id) {
        Ok(intent) => html(200, &page(&intent)),
        Err(_) => html(404, "<h1>There is no such payment</h1>"),
    }
}

fn pay_page(intent: &stripe::Intent) -> String {
    let button = |(token, does): &(&str, &str)| {
        format!("<p><button name=payment_method value={token}>{token}</button> {does}</p>")
    };
    let buttons: String = OFFERED.iter().map(button).collect();
    let id = &intent.id;
    format!("<h1>Pay {}</h1><form method=post action=\"/pay/{id}\">{buttons}</form>", money_of(intent))
}

fn bank_page(intent: &stripe::Intent) -> String {
    let (id, money) = (&intent.id, money_of(intent));
    format!(
        "<h1>Your bank</h1><p>Pay {money}?</p><form method=post action=\"/bank/{id}\"><button name=answer \
         value=pay>Pay</button> <button name=answer value=no>Do not pay</button></form>"
    )
}

fn money_of(intent: &stripe::Intent) -> String {
    money(intent.amount, &intent.currency)
}

fn checkout_page(order: &razorpay::Order) -> String {
    let (id, money) = (&order.id, money(order.amount, &order.currency));
    let begin = format!("<form method=post action=\"/checkout/{id}\">");
    let button = |method: &str, text: &str| {
        let hidden = format!("<input type=hidden name=method value={method}>");
        let end = |vpa: &str, does: &str| format!("<button name=vpa value={vpa}>{does}</button> ");
        let buttons = [end("success@razorpay", "pay"), end("failure@razorpay", "fail")].concat();
        format!("{begin}{hidden}<p>{text}: {buttons}</p></form>")
    };
    let upi = "<p>UPI: <input name=vpa value=success@razorpay> <button>pay</button></p>";
    let others = [button("card", "Card"), button("netbanking", "Net banking"), button("wallet", "Wallet")].concat();
    format!("<h1>Pay {money}</h1>{begin}{upi}</form>{others}<p>success@razorpay pays, failure@razorpay does not.</p>")
}

/// Sends a customer who acted on the bank's page back to the shop, where that has said where.
fn back_to_shop(tried: &Result<stripe::Intent, stripe::Refusal>) -> Option<Response<Body>> {
    let intent = tried.as_ref().ok()?;
    let mut url = url::Url::parse(intent.return_url.as_deref()?).ok()?;
    let status = if intent.decline.is_some() { "failed" } else { "succeeded" };
    url.query_pairs_mut()
        .append_pair("payment_intent", &intent.id)
        .append_pair("payment_intent_client_secret", &intent.client_secret())
        .append_pair("redirect_status", status);
    Response::builder().status(303).header("location", url.as_str()).body(Body::empty()).ok()
}

fn outcome_of_intent(
    shared: &Arc<Shared>,
    call: &Call,
    tried: Result<stripe::Intent, stripe::Refusal>,
) -> Response<Body> {
    let base = shared.lock().stripe.base.clone();
    let (status, value, text) = match &tried {
        Ok(intent) if intent.status == stripe::Status::RequiresAction => {
            let go_on = format!("<a href=\"/bank/{}\">Go on to your bank</a>", intent.id);
            (200, intent.shown(&base), go_on)
        }
        Ok(intent) if intent.decline.is_some() => (200, intent.shown(&base), "It was not paid.".to_owned()),
        Ok(intent) => (200, intent.shown(&base), "Thank you. You can go back to the shop.".to_owned()),
        Err(refusal) => (refusal.status, refusal.shown(), escaped(&refusal.message)),
    };
    if wants_html(call) { html(status, &format!("<h1>{text}</h1>")) } else { json_answer(status, &value) }
}

fn paid(call: &Call, outcome: Result<razorpay::Paid, razorpay::Refusal>) -> Response<Body> {
    let (status, value, text) = match &outcome {
        Ok(paid) => (200, json!(paid), "Paid. The shop wants to see this:".to_owned()),
        Err(refusal) => (refusal.status, refusal.shown(), escaped(&refusal.description)),
    };
    if wants_html(call) {
        html(status, &format!("<h1>{text}</h1><pre>{}</pre>", escaped(&format!("{value:#}"))))
    } else {
        json_answer(status, &value)
    }
}

fn wants_html(call: &Call) -> bool {
    call.header("accept").is_some_and(|accept| accept.contains("text/html"))
}

fn html(status: u16, body: &str) -> Response<Body> {
    let page = format!("<!doctype html><meta charset=utf-8><title>Payment sandbox</title>{body}");
    of_type(status, "text/html; charset=utf-8", page)
}

fn json_answer(status: u16, value: &Value) -> Response<Body> {
    of_type(status, "application/json", format!("{value}\n"))
}

fn of_type(status: u16, kind: &str, text: String) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", kind);
    response.body(Body::from(text)).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
