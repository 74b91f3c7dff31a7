//! What providers tell of payments: whether it is theirs, and which payment it is about. Nothing else of it is read but the
//! amount of a dispute, for people: what counts is looked up.

use super::config::Config;
use super::domain::{Dispute, Provider};
use super::providers::money;
use axum::http::HeaderMap;
use data_encoding::HEXLOWER_PERMISSIVE;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service_kit::config::ConfigError;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// How far the time of a signature of Stripe may be from ours, in seconds.
const TOLERANCE: i64 = 300;

/// The longest name of an object or an event that is kept.
const LONGEST_NAME: usize = 255;

/// Why nothing is heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unheard {
    /// No secret is set up.
    Disabled,
    /// It is signed by none of the secrets, or too long ago.
    Unsigned,
    /// It is signed and cannot be read, or is about real money where test money is moved, or the other way round.
    Unreadable,
}

/// Something that happened to a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// By whom it is told.
    pub provider: Provider,
    /// The provider's name of the event.
    pub event_id: String,
    /// What happened, in the provider's words.
    pub kind: String,
    /// The provider's name of the payment, where it has one.
    pub provider_id: Option<String>,
    /// Our name of it, where it is written on what happened.
    pub reference: Option<Uuid>,
    /// What a customer asks the bank for back, where it is about that.
    pub dispute: Option<Dispute>,
}

/// The secrets by which providers sign; several at once while one takes the place of another.
#[derive(Debug)]
pub struct Secrets {
    stripe: Vec<SecretString>,
    /// Whether Stripe moves no real money here.
    is_test: bool,
    razorpay: Vec<SecretString>,
}

#[derive(Deserialize)]
struct StripeEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    livemode: bool,
    data: StripeData,
}

#[derive(Deserialize)]
struct StripeData {
    object: StripeObject,
}

/// A payment intent, or what belongs to one: a refund, a dispute.
#[derive(Deserialize)]
struct StripeObject {
    id: Option<String>,
    object: Option<String>,
    payment_intent: Option<String>,
    amount: Option<u64>,
    #[serde(default)]
    metadata: Option<HashMap<String, String>>,
}

impl Secrets {
    /// As they are set up.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            stripe: config.stripe.keys()?.map(|keys| keys.webhooks).unwrap_or_default(),
            is_test: config.stripe.is_test(),
            razorpay: config.razorpay.keys()?.map(|(_, _, webhooks)| webhooks).unwrap_or_default(),
        })
    }

    /// What Stripe tells.
    pub fn stripe(&self, headers: &HeaderMap, body: &[u8], now: OffsetDateTime) -> Result<Told, Unheard> {
        let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).ok_or(Unheard::Unsigned)?;
        if self.stripe.is_empty() {
            return Err(Unheard::Disabled);
        }
        let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
        let at = parts().find(|(name, _)| *name == "t").map(|(_, at)| at).ok_or(Unheard::Unsigned)?;
        let signatures = parts().filter(|(name, _)| *name == "v1").map(|(_, signature)| signature);
        let signed = [at.as_bytes(), b".", body].concat();
        if !signatures
            .into_iter()
            .any(|signature| self.stripe.iter().any(|secret| is_signed(secret, &signed, signature)))
        {
            return Err(Unheard::Unsigned);
        }
        // Only now: an unsigned time is anybody's.
        let at: i64 = at.parse().map_err(|_| Unheard::Unsigned)?;
        if now.unix_timestamp().abs_diff(at) > TOLERANCE.unsigned_abs() {
            return Err(Unheard::Unsigned);
        }
        let event: StripeEvent = serde_json::from_slice(body).map_err(|_| Unheard::Unreadable)?;
        if event.livemode == self.is_test || !is_name(&event.id) || !is_name(&event.kind) {
            return Err(Unheard::Unreadable);
        }
        let object = event.data.object;
        let is = |kind: &str| object.object.as_deref() == Some(kind);
        let dispute = if is("dispute") { dispute(object.id.clone(), object.amount) } else { None };
        let provider_id = if is("payment_intent") { object.id } else { object.payment_intent };
        let reference = object.metadata.unwrap_or_default().get("reference").and_then(|text| text.parse().ok());
        Ok(Told {
            provider: Provider::Stripe,
            event_id: event.id,
            kind: event.kind,
            provider_id: provider_id.filter(|id| is_name(id)),
            reference,
            dispute,
        })
    }
}

/// A dispute, where it has a name.
fn dispute(id: Option<String>, amount: Option<u64>) -> Option<Dispute> {
    let id = id.filter(|id| is_name(id))?;
    Some(Dispute { id, amount: money(amount?) })
}

#[derive(Deserialize)]
struct RazorpayEvent {
    event: String,
    payload: RazorpayPayload,
}

#[derive(Deserialize)]
struct RazorpayPayload {
    payment: Option<RazorpayEntity>,
    order: Option<RazorpayEntity>,
    dispute: Option<RazorpayEntity>,
}

#[derive(Deserialize)]
struct RazorpayEntity {
    entity: RazorpayObject,
}

/// A payment, which names its order, or an order, or a dispute.
#[derive(Deserialize)]
struct RazorpayObject {
    id: Option<String>,
    amount: Option<u64>,
    order_id: Option<String>,
}

impl Secrets {
    /// What Razorpay tells. Its signature has no time, and its name of the event is not signed: an old body under a new name is
    /// heard again, and the look that follows shows what is.
    pub fn razorpay(&self, headers: &HeaderMap, body: &[u8]) -> Result<Told, Unheard> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signature = text("x-razorpay-signature").ok_or(Unheard::Unsigned)?;
        if self.razorpay.is_empty() {
            return Err(Unheard::Disabled);
        }
        if !self.razorpay.iter().any(|secret| is_signed(secret, body, signature)) {
            return Err(Unheard::Unsigned);
        }
        let RazorpayEvent { event: kind, payload } = serde_json::from_slice(body).map_err(|_| Unheard::Unreadable)?;
        let event_id = text("x-razorpay-event-id").unwrap_or(signature).to_owned();
        if !is_name(&event_id) || !is_name(&kind) {
            return Err(Unheard::Unreadable);
        }
        let of_payment = payload.payment.and_then(|payment| payment.entity.order_id);
        let provider_id = of_payment.or_else(|| payload.order.and_then(|order| order.entity.id));
        let provider_id = provider_id.filter(|id| is_name(id));
        let dispute = payload.dispute.and_then(|told| dispute(told.entity.id, told.entity.amount));
        Ok(Told { provider: Provider::Razorpay, event_id, kind, provider_id, reference: None, dispute })
    }
}

/// Compared in constant time: how long it takes says nothing about how much of a guess was right.
fn is_signed(secret: &SecretString, signed: &[u8], signature: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let tag = HEXLOWER_PERMISSIVE.decode(signature.as_bytes());
    tag.is_ok_and(|tag| hmac::verify(&key, signed, &tag).is_ok())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::{HEXLOWER_PERMISSIVE, HeaderMap, SecretString, Secrets, Told, Unheard, hmac};
    use axum::http::HeaderValue;
    use time::OffsetDateTime;

    const AT: i64 = 1_790_000_000;

    const BODY: &str = r#"{"id": "evt_1", "type": "payment_intent.succeeded", "livemode": false, "data": {"object":
        {"id": "pi_1", "object": "payment_intent", "metadata": {"reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70"}}}}"#;

    fn secrets(stripe: &[&str]) -> Secrets {
        let stripe = stripe.iter().map(|secret| SecretString::from(*secret)).collect();
        Secrets { stripe, is_test: true, razorpay: Vec::new() }
    }

    fn signature(secret: &str, at: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        HEXLOWER_PERMISSIVE.encode(hmac::sign(&key, format!("{at}.{body}").as_bytes()).as_ref())
    }

    fn heard(secrets: &Secrets, header: &str, body: &str) -> Result<Told, Unheard> {
        let headers =
            HeaderMap::from_iter([("stripe-signature".parse().unwrap(), HeaderValue::from_str(header).unwrap())]);
        secrets.stripe(&headers, body.as_bytes(), OffsetDateTime::from_unix_timestamp(AT).unwrap())
    }

    #[test]
    fn stripe_is_heard_by_each_of_its_secrets_and_nobody_else() {
        let both = secrets(&["whsec_new", "whsec_old"]);
        for secret in ["whsec_new", "whsec_old"] {
            let told = heard(&both, &format!("t={AT},v1={}", signature(secret, AT, BODY)), BODY).unwrap();
            assert_eq!((told.event_id.as_str(), told.provider_id.as_deref()), ("evt_1", Some("pi_1")));
            assert!(told.reference.is_some());
        }
        let (right, wrong) = (signature("whsec_old", AT, BODY), signature("whsec_x", AT, BODY));
        assert!(heard(&both, &format!("t={AT},v1={wrong},v0=1,v1={right}"), BODY).is_ok());
        let changed = BODY.replace("pi_1", "pi_2");
        for (header, body) in [
            (format!("t={AT},v1={wrong}"), BODY),
            (format!("t={AT},v0={right}"), BODY),
            (format!("t={AT},v1={right}"), changed.as_str()),
            (format!("t={},v1={right}", AT + 1), BODY),
            (format!("v1={right}"), BODY),
            (format!("t={AT},v1={}", &right[..62]), BODY),
            (format!("t={AT},v1="), BODY),
            (String::new(), BODY),
        ] {
            assert_eq!(heard(&both, &header, body), Err(Unheard::Unsigned), "{header}");
        }
        assert_eq!(heard(&secrets(&[]), &format!("t={AT},v1={right}"), BODY), Err(Unheard::Disabled));
    }

    #[test]
    fn what_is_old_or_about_other_money_is_not_heard() {
        let mine = secrets(&["whsec_a"]);
        let at = |at: i64, body: &str| heard(&mine, &format!("t={at},v1={}", signature("whsec_a", at, body)), body);
        assert!(at(AT - 300, BODY).is_ok() && at(AT + 300, BODY).is_ok());
        for other in [AT - 301, AT + 301] {
            assert_eq!(at(other, BODY), Err(Unheard::Unsigned), "{other}");
        }
        let live = BODY.replace("\"livemode\": false", "\"livemode\": true");
        for body in [live.as_str(), "{}", "", "[]"] {
            assert_eq!(at(AT, body), Err(Unheard::Unreadable), "{body}");
        }
    }

    #[test]
    fn razorpay_is_heard_by_each_of_its_secrets_and_nobody_else() {
        let both = ["new", "old"].map(SecretString::from).into_iter().collect();
        let secrets = Secrets { stripe: Vec::new(), is_test: true, razorpay: both };
        let body = r#"{"entity": "event", "event": "payment.captured", "payload": {"payment": {"entity":
            {"id": "pay_1", "order_id": "order_1"}}}}"#;
        let sign = |secret: &str, body: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            HEXLOWER_PERMISSIVE.encode(hmac::sign(&key, body.as_bytes()).as_ref())
        };
        let heard = |signature: &str, body: &str| {
            let header = |name: &str, value: &str| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap());
            let headers = [header("x-razorpay-signature", signature), header("x-razorpay-event-id", "evt_1")];
            secrets.razorpay(&HeaderMap::from_iter(headers), body.as_bytes()).map(|told| told.provider_id)
        };
        assert_eq!(heard(&sign("old", body), body), Ok(Some("order_1".to_owned())));
        assert!(heard(&sign("new", body), body).is_ok());
        assert_eq!(heard(&sign("x", body), body), Err(Unheard::Unsigned));
        assert_eq!(heard(&sign("new", body), &body.replace("order_1", "order_2")), Err(Unheard::Unsigned));
        assert_eq!(heard(&sign("new", "{}"), "{}"), Err(Unheard::Unreadable));
    }

    #[test]
    fn what_belongs_to_a_payment_names_it_and_anything_else_is_about_none() {
        let mine = secrets(&["whsec_a"]);
        let told = |object: &str| {
            let body = format!(r#"{{"id": "evt_1", "type": "x", "livemode": false, "data": {{"object": {object}}}}}"#);
            heard(&mine, &format!("t={AT},v1={}", signature("whsec_a", AT, &body)), &body).unwrap().provider_id
        };
        assert_eq!(told(r#"{"id": "re_1", "object": "refund", "payment_intent": "pi_1"}"#).as_deref(), Some("pi_1"));
        assert_eq!(told(r#"{"id": "cus_1", "object": "customer", "metadata": null}"#), None);
        assert_eq!(told(r#"{"id": "pi\u0000", "object": "payment_intent"}"#), None);
    }
}
