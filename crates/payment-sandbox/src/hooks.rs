//! Webhooks: what happened, signed as each provider signs it, and its delivery where webhooks go at once.

use crate::{Shared, now};
use data_encoding::HEXLOWER;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The pauses between the attempts to deliver one event.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Whose protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Provider {
    /// <https://docs.stripe.com/api>
    Stripe,
    /// <https://razorpay.com/docs/api>
    Razorpay,
}

/// Where webhooks go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhooks {
    /// Begins the URLs: `/stripe` or `/razorpay` is added.
    pub url: String,
    /// Signs those of Stripe.
    pub stripe_secret: String,
    /// Signs those of Razorpay.
    pub razorpay_secret: String,
}

/// Something that happened, as a webhook tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Happened {
    /// Who tells it.
    pub provider: Provider,
    /// The id of the event. Razorpay's is not in the body.
    pub id: String,
    /// `payment_intent.succeeded`, `payment.captured`, …
    pub kind: String,
    /// The body to be posted, byte by byte.
    pub body: String,
}

impl Happened {
    /// The headers of a delivery that is signed with this secret. `at` is in seconds since 1970; Razorpay signs no time.
    pub fn headers(&self, secret: &str, at: u64) -> Vec<(&'static str, String)> {
        let json = ("content-type", "application/json".to_owned());
        match self.provider {
            Provider::Stripe => {
                let signature = hmac_hex(secret, &format!("{at}.{}", self.body));
                vec![json, ("stripe-signature", format!("t={at},v1={signature}"))]
            }
            Provider::Razorpay => vec![
                json,
                ("x-razorpay-signature", hmac_hex(secret, &self.body)),
                ("x-razorpay-event-id", self.id.clone()),
            ],
        }
    }
}

/// HMAC-SHA256 in small hexadecimal digits.
pub(crate) fn hmac_hex(secret: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref())
}

/// Posts one event until the shop takes it, a few times at most.
pub(crate) async fn deliver(shared: Arc<Shared>, to: Webhooks, happened: Happened) {
    let (url, secret) = match happened.provider {
        Provider::Stripe => (format!("{}/stripe", to.url), to.stripe_secret),
        Provider::Razorpay => (format!("{}/razorpay", to.url), to.razorpay_secret),
    };
    for pause in PAUSES {
        let mut call = shared.http.post(&url).body(happened.body.clone());
        for (name, value) in happened.headers(&secret, now()) {
            call = call.header(name, value);
        }
        if call.send().await.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        tokio::time::sleep(pause).await;
    }
    shared.print(&format!("{url} did not take {} {}", happened.kind, happened.id));
}

#[cfg(test)]
mod tests {
    use super::{Happened, Provider};

    #[test]
    fn each_provider_signs_in_its_way() {
        let of = |provider| {
            let (id, kind) = ("evt_1".to_owned(), "x".to_owned());
            Happened { provider, id, kind, body: "{}".to_owned() }.headers("secret", 7)
        };
        // printf '7.{}' | openssl dgst -sha256 -hmac secret
        let stripe = "t=7,v1=76aad9429f417882918162a1928a38769fff65cc07b6bfa344ac9c5fb1e3448e";
        // printf '{}' | openssl dgst -sha256 -hmac secret
        let razorpay = "77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13";
        assert_eq!(of(Provider::Stripe)[1], ("stripe-signature", stripe.to_owned()));
        assert_eq!(of(Provider::Razorpay)[1], ("x-razorpay-signature", razorpay.to_owned()));
        assert_eq!(of(Provider::Razorpay)[2], ("x-razorpay-event-id", "evt_1".to_owned()));
    }
}
