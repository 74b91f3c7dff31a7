//! Webhooks: what happened, signed as Stripe signs it, and delivered when it is time.

use data_encoding::HEXLOWER;
use ring::hmac;
use serde_json::{Value, json};

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Happened {
    /// `evt_…`
    pub id: String,
    /// The body.
    pub body: String,
}

/// The event of this type about an object, as it is now.
pub fn event(number: u64, kind: &str, object: &Value, now: u64) -> Happened {
    let id = format!("evt_sandbox{number:010}");
    let body = json!({
        "id": id, "object": "event", "type": kind, "created": now, "livemode": false, "data": {"object": object},
    });
    Happened { id, body: body.to_string() }
}

/// The header `Stripe-Signature` of a body that is sent at this time.
pub fn signature(secret: &str, at: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", HEXLOWER.encode(tag.as_ref()))
}
