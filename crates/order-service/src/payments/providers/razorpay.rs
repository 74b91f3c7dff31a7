//! Razorpay: orders, their payments, and refunds over its HTTP interface.
//!
//! <https://razorpay.com/docs/api/>. A payment of ours is an order there, which the customer pays in Razorpay's checkout; an order
//! can be paid for as long as it exists, nobody can close it.

mod lists;

use super::limiter::Limiter;
use super::{Answer, Dialect, Failing, Outcome, hundredths, money};
use crate::payments::config::Config;
use crate::payments::domain::{
    Amounts, Attempt, Closed, Observed, Operation, OperationKind, Payment, Provider, RefundState, Session, Shown,
    ShownRefund,
};
use data_encoding::HEXLOWER_PERMISSIVE;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use service_kit::circuit::CircuitBreaker;
use service_kit::config::ConfigError;
use service_kit::lifecycle::StartError;
use shared_types::Money;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Minutes in which what a customer's bank has promised is taken, else it goes back: the least that Razorpay allows.
const TAKEN_WITHIN: u32 = 12;

/// Our name of a refund, among what a shop may write on it.
const OPERATION: &str = "operation";

/// Razorpay's interface; clones share its connections.
#[derive(Clone, Debug)]
pub struct Razorpay(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    http: Client,
    base: Url,
    key_id: String,
    secret: SecretString,
    circuit: CircuitBreaker,
    limiter: Limiter,
}

#[derive(Clone, Debug, Deserialize)]
struct Order {
    id: String,
    amount: u64,
    currency: String,
    receipt: Option<String>,
}

/// A payment of an order. What its field `captured` says contradicts its status at times: the status counts.
#[derive(Clone, Debug, Deserialize)]
struct OrderPayment {
    id: String,
    amount: u64,
    status: String,
    error_code: Option<String>,
    error_reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Refund {
    id: String,
    amount: u64,
    status: String,
    /// An empty array where there are none.
    #[serde(default)]
    notes: Notes,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Notes {
    Some(HashMap<String, String>),
    Other(serde::de::IgnoredAny),
}

impl Default for Notes {
    fn default() -> Self {
        Self::Other(serde::de::IgnoredAny)
    }
}

#[derive(Debug, Deserialize)]
struct List<Item> {
    items: Vec<Item>,
}

#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: Failure,
}

#[derive(Debug, Default, Deserialize)]
struct Failure {
    #[serde(default)]
    code: String,
    reason: Option<String>,
}

impl Razorpay {
    /// Prepares the calls, where it is set up, and connects to nothing yet.
    pub fn new(config: &Config) -> Result<Option<Self>, StartError> {
        let Some((key_id, secret, _)) = config.razorpay.keys()? else { return Ok(None) };
        let base = Url::parse(&config.razorpay.razorpay_url).ok().filter(Url::has_host);
        let reason = "must look like https://api.razorpay.com".to_owned();
        let base = base.ok_or(ConfigError { variable: "RAZORPAY_URL", reason })?;
        let http = super::client(config.timeout())?;
        let circuit = super::circuit("Razorpay", "razorpay", config);
        let limiter = Limiter::new(config.provider_calls_per_second);
        Ok(Some(Self(Arc::new(Parts { http, base, key_id, secret, circuit, limiter }))))
    }

    /// The circuit in front of it.
    pub fn circuit(&self) -> &CircuitBreaker {
        &self.0.circuit
    }

    /// Asks for an operation. Again, it is not done a second time: an order has a receipt of its own, a payment is taken once, and a
    /// refund has a key.
    pub async fn perform(&self, payment: &Payment, operation: &Operation) -> Answer<Outcome> {
        let paid = payment.provider_payment_id.as_deref();
        match (operation.kind, paid) {
            (OperationKind::Create, _) => self.create(payment).await.map(Outcome::Payment),
            (OperationKind::Capture, Some(id)) => self.capture(payment, id, operation.amount).await,
            (OperationKind::Refund, Some(id)) => {
                self.refund(operation.id, id, operation.amount).await.map(|refund| Outcome::Refund(refund.shown()))
            }
            (OperationKind::Confirm | OperationKind::Void, _) => Answer::Refused("not_offered".to_owned()),
            (OperationKind::Capture | OperationKind::Refund, None) => Answer::Refused("not_paid".to_owned()),
        }
    }

    async fn create(&self, payment: &Payment) -> Answer<Shown> {
        let body = json!({
            "amount": hundredths(payment.amount),
            "currency": payment.currency,
            "receipt": payment.reference,
            "unique_receipt": true,
            "payment": {"capture": "automatic", "capture_options": {"automatic_expiry_period": TAKEN_WITHIN, "refund_speed": "normal"}},
        });
        let call = self.request(Method::POST, "/v1/orders").map(|call| call.json(&body));
        self.call::<Order>(call).await.map(|order| order.shown(&[], None))
    }

    async fn capture(&self, payment: &Payment, id: &str, amount: Money) -> Answer<Outcome> {
        let body = json!({"amount": hundredths(amount), "currency": payment.currency});
        let call = self.request(Method::POST, &format!("/v1/payments/{id}/capture")).map(|call| call.json(&body));
        match self.call::<Value>(call).await {
            Answer::Done(_) => match self.look(payment).await {
                Answer::Done(Some(shown)) => Answer::Done(Outcome::Payment(shown)),
                _ => Answer::Unknown("it was taken, and cannot be looked at"),
            },
            other => other.without(),
        }
    }

    async fn refund(&self, key: Uuid, id: &str, amount: Money) -> Answer<Refund> {
        let body = json!({
            "amount": hundredths(amount), "speed": "normal", "receipt": key, "notes": {OPERATION: key},
        });
        let call = self.request(Method::POST, &format!("/v1/payments/{id}/refund"));
        self.call(call.map(|call| call.header("x-refund-idempotency", key.to_string()).json(&body))).await
    }

    /// Looks at a payment, and at the refunds of what was paid.
    pub async fn look(&self, payment: &Payment) -> Answer<Option<Shown>> {
        let order = match payment.provider_id.as_deref() {
            Some(id) => self.get::<Order>(&format!("/v1/orders/{id}")).await,
            None => {
                let path = format!("/v1/orders?receipt={}", payment.reference);
                match self.get::<List<Order>>(&path).await {
                    Answer::Done(List { items }) => match items.into_iter().next() {
                        Some(order) => Answer::Done(order),
                        None => return Answer::Done(None),
                    },
                    other => other.without(),
                }
            }
        };
        let order = match order {
            Answer::Done(order) => order,
            other => return other.map(|_| None),
        };
        let payments = match self.get::<List<OrderPayment>>(&format!("/v1/orders/{}/payments", order.id)).await {
            Answer::Done(List { items }) => items,
            other => return other.map(|_| None),
        };
        let known = payment.provider_payment_id.as_deref();
        let went_back = |it: &OrderPayment| it.status == "refunded" && known == Some(it.id.as_str());
        if payment.captured == Money::default() && payments.iter().any(went_back) {
            return Answer::Done(Some(order.gone_back(&payments)));
        }
        let Some(paid) = payments.iter().find(|paid| paid.has_money(known)) else {
            return Answer::Done(Some(order.shown(&payments, known)));
        };
        let refunds = self.get::<List<Refund>>(&format!("/v1/payments/{}/refunds?count=100", paid.id)).await;
        refunds.map(|List { items }| {
            let refunds = Some(items.into_iter().map(Refund::shown).collect());
            Some(Shown { refunds, ..order.shown(&payments, known) })
        })
    }

    /// What Razorpay's checkout needs.
    pub fn session(&self, payment: &Payment, id: &str) -> Answer<Session> {
        Answer::Done(Session::Razorpay {
            razorpay_order_id: id.to_owned(),
            key_id: self.0.key_id.clone(),
            amount: hundredths(payment.amount).unwrap_or_default(),
            currency: payment.currency.clone(),
        })
    }

    /// Whether the checkout gave this signature for a payment of the order that we know, whatever order the page names.
    pub fn is_signed(&self, payment: &Payment, id: &str, signature: &str) -> bool {
        let Some(order) = payment.provider_id.as_deref() else { return false };
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.secret.expose_secret().as_bytes());
        let tag = HEXLOWER_PERMISSIVE.decode(signature.as_bytes());
        tag.is_ok_and(|tag| hmac::verify(&key, format!("{order}|{id}").as_bytes(), &tag).is_ok())
    }

    async fn get<Done: DeserializeOwned>(&self, path: &str) -> Answer<Done> {
        self.call(self.request(Method::GET, path)).await
    }

    fn request(&self, method: Method, path: &str) -> Option<RequestBuilder> {
        let url = self.0.base.join(path).ok()?;
        Some(self.0.http.request(method, url).basic_auth(&self.0.key_id, Some(self.0.secret.expose_secret())))
    }

    async fn call<Done: DeserializeOwned>(&self, call: Option<RequestBuilder>) -> Answer<Done> {
        let Some(call) = call else { return Answer::NotSent("the path is none") };
        super::send(&self.0.limiter, (Provider::Razorpay, &self.0.circuit), call, &DIALECT).await
    }
}

/// Razorpay keeps no error under a key: whatever is not definite can be asked again.
const DIALECT: Dialect = Dialect {
    not_accepted: "Razorpay does not accept the key",
    under_way: &[StatusCode::CONFLICT],
    failure: Failing::Once("an error of Razorpay"),
    code: |body| {
        let Refusal { error } = serde_json::from_slice(body).unwrap_or_default();
        error.reason.filter(|reason| reason != "NA").unwrap_or(error.code)
    },
};

impl OrderPayment {
    /// Whether its money counts. One that went back before anybody here knew of it has paid nothing: what Razorpay could not take
    /// in time, it gives back by itself.
    fn has_money(&self, known: Option<&str>) -> bool {
        self.status == "captured" || (self.status == "refunded" && known == Some(self.id.as_str()))
    }
}

impl Order {
    /// What was promised, and given back by Razorpay because nobody took it in time.
    fn gone_back(self, payments: &[OrderPayment]) -> Shown {
        let shown = self.shown(payments, None);
        if shown.observed.amounts.captured.is_positive() {
            return shown;
        }
        let amount = shown.observed.amount;
        let amounts = Amounts { authorized: amount, captured: Money::default(), released: amount };
        Shown { observed: Observed { amounts, closed: Some(Closed::Expired), ..shown.observed }, ..shown }
    }

    /// Our name of it.
    fn reference(&self) -> Option<Uuid> {
        self.receipt.as_ref()?.parse().ok()
    }

    fn shown(self, payments: &[OrderPayment], known: Option<&str>) -> Shown {
        let sum = |is_it: &dyn Fn(&OrderPayment) -> bool| -> Money {
            payments.iter().filter(|payment| is_it(payment)).map(|payment| money(payment.amount)).sum()
        };
        let is = |status: &str| payments.iter().find(|payment| payment.status == status);
        let captured = sum(&|payment| payment.has_money(known));
        // Razorpay takes one payment of an order: what others promise goes back.
        let promised = if captured.is_positive() {
            Money::default()
        } else {
            is("authorized").map(|payment| money(payment.amount)).unwrap_or_default()
        };
        let amounts = Amounts { authorized: captured + promised, captured, released: Money::default() };
        let failed = is("failed").or_else(|| is("refunded"));
        let attempt = match (is("created"), failed) {
            (Some(_), _) => Attempt::ActionRequired,
            (None, Some(_)) => Attempt::Failed,
            (None, None) => Attempt::None,
        };
        let paid = payments.iter().find(|payment| payment.has_money(known)).or_else(|| is("authorized"));
        let reference = self.reference().unwrap_or_default();
        let error_code = failed.and_then(|failed| failed.error_reason.clone().or_else(|| failed.error_code.clone()));
        Shown {
            provider_id: self.id,
            provider_payment_id: paid.map(|paid| paid.id.clone()),
            observed: Observed {
                reference,
                amount: money(self.amount),
                currency: self.currency.to_uppercase(),
                amounts,
                attempt,
                closed: None,
            },
            error_code,
            refunds: None,
        }
    }
}

impl Refund {
    fn shown(self) -> ShownRefund {
        let state = match self.status.as_str() {
            "processed" => RefundState::Succeeded,
            "failed" => RefundState::Failed,
            _ => RefundState::Pending,
        };
        let operation = match &self.notes {
            Notes::Some(notes) => notes.get(OPERATION).and_then(|text| text.parse().ok()),
            Notes::Other(_) => None,
        };
        ShownRefund { id: self.id, operation, amount: money(self.amount), state }
    }
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Order, OrderPayment, Refund, RefundState, Shown};
    use serde_json::{Value, json};

    fn shown(payments: Value, known: Option<&str>) -> Shown {
        let order = json!({"id": "order_1", "amount": 3980, "currency": "INR", "receipt": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "status": "paid"});
        let payments: Vec<OrderPayment> = serde_json::from_value(payments).unwrap();
        serde_json::from_value::<Order>(order).unwrap().shown(&payments, known)
    }

    fn payment(id: &str, status: &str) -> Value {
        json!({"id": id, "amount": 3980, "status": status, "captured": false, "error_code": null, "error_reason": null})
    }

    #[test]
    fn a_look_says_what_is() {
        let paid = shown(json!([payment("pay_1", "failed"), payment("pay_2", "captured")]), None);
        assert_eq!(
            (paid.observed.amounts.captured, paid.provider_payment_id.as_deref()),
            (paid.observed.amount, Some("pay_2"))
        );
        let tried = shown(json!([payment("pay_1", "failed")]), None);
        assert_eq!((tried.observed.attempt, tried.provider_payment_id), (Attempt::Failed, None));
        let open = shown(json!([]), None);
        assert_eq!((open.observed.attempt, open.observed.reference.is_nil()), (Attempt::None, false));
        let promised = shown(json!([payment("pay_1", "authorized")]), None).observed.amounts;
        assert!(promised.authorized.is_positive() && !promised.captured.is_positive());
    }

    #[test]
    fn what_went_back_before_we_knew_of_it_paid_nothing() {
        let back = json!([payment("pay_1", "refunded")]);
        let unknown = shown(back.clone(), None);
        assert_eq!(
            (unknown.observed.amounts.captured.is_positive(), unknown.observed.attempt),
            (false, Attempt::Failed)
        );
        assert!(shown(back, Some("pay_1")).observed.amounts.captured.is_positive());
    }

    #[test]
    fn refunds_name_their_operation_where_they_are_ours() {
        let of = |notes: Value| {
            let refund = json!({"id": "rfnd_1", "amount": 100, "status": "pending", "notes": notes});
            serde_json::from_value::<Refund>(refund).unwrap().shown()
        };
        let ours = of(json!({"operation": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70"}));
        assert!(ours.operation.is_some() && ours.state == RefundState::Pending);
        assert_eq!(of(json!([])).operation, None);
    }
}
