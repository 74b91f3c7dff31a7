//! The payment sandbox as a process: what it and order-service are told, so that orders are paid through it.

use std::path::Path;

/// The name of its binary.
pub const PROGRAM: &str = "payment-sandbox";

const STRIPE_SECRET_KEY: (&str, &str) = ("STRIPE_SECRET_KEY", "sk_test_sandbox");
const STRIPE_PUBLISHABLE_KEY: (&str, &str) = ("STRIPE_PUBLISHABLE_KEY", "pk_test_sandbox");
const RAZORPAY_KEY_ID: (&str, &str) = ("RAZORPAY_KEY_ID", "rzp_test_sandbox");
const RAZORPAY_KEY_SECRET: (&str, &str) = ("RAZORPAY_KEY_SECRET", "sandbox-secret");
const STRIPE_WEBHOOK_SECRET: &str = "whsec_sandbox";
const RAZORPAY_WEBHOOK_SECRET: &str = "sandbox-webhook-secret";

/// What order-service is told that is paid through the sandbox at this URL.
pub fn pays_through(url: &str) -> Vec<(&'static str, String)> {
    let told = [
        STRIPE_SECRET_KEY,
        STRIPE_PUBLISHABLE_KEY,
        ("STRIPE_WEBHOOK_SECRETS", STRIPE_WEBHOOK_SECRET),
        ("STRIPE_URL", url),
        RAZORPAY_KEY_ID,
        RAZORPAY_KEY_SECRET,
        ("RAZORPAY_WEBHOOK_SECRETS", RAZORPAY_WEBHOOK_SECRET),
        ("RAZORPAY_URL", url),
    ];
    told.map(|(name, value)| (name, value.to_owned())).to_vec()
}

/// What a sandbox is told that listens on this port, keeps its ledgers in this file, and calls order-service at this URL.
pub fn listens(port: u16, ledger: &Path, order_service: &str) -> Vec<(&'static str, String)> {
    let keys = [STRIPE_SECRET_KEY, STRIPE_PUBLISHABLE_KEY, RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET];
    let keys = keys.map(|(name, value)| (name, value.to_owned()));
    let told = [
        ("PORT", port.to_string()),
        ("LEDGER_FILE", ledger.display().to_string()),
        ("WEBHOOK_URL", format!("{order_service}/api/payments/webhooks")),
        ("STRIPE_WEBHOOK_SECRET", STRIPE_WEBHOOK_SECRET.to_owned()),
        ("RAZORPAY_WEBHOOK_SECRET", RAZORPAY_WEBHOOK_SECRET.to_owned()),
    ];
    [&told[..], &keys].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_told_the_same_keys() {
        let shop = pays_through("http://127.0.0.1:8084");
        let sandbox = listens(8084, Path::new("/x/ledger"), "http://127.0.0.1:8081");
        let of = |told: &[(&str, String)], name: &str| {
            told.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap()
        };
        for (name, _) in [STRIPE_SECRET_KEY, STRIPE_PUBLISHABLE_KEY, RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET] {
            assert_eq!(of(&shop, name), of(&sandbox, name));
        }
        for name in ["STRIPE_WEBHOOK_SECRET", "RAZORPAY_WEBHOOK_SECRET"] {
            assert_eq!(of(&shop, &format!("{name}S")), of(&sandbox, name));
        }
        assert_eq!(of(&sandbox, "WEBHOOK_URL"), "http://127.0.0.1:8081/api/payments/webhooks");
        assert_eq!(of(&shop, "STRIPE_URL"), of(&shop, "RAZORPAY_URL"));
    }
}
