//! What can be set for payments.

use super::domain::{Capture, Method, Provider};
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use service_kit::config::{ConfigError, secret};
use std::collections::BTreeMap;
use std::time::Duration;
use time::Time;
use time::macros::format_description;

/// When promised money is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum CaptureAt {
    /// At once.
    Automatic,
    /// When the order is shipped.
    Shipment,
}

/// Whether, how and by whom orders are paid.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Payments")]
#[group(id = "payments")]
pub struct Config {
    /// Currency of all prices, as ISO 4217 has it (INR); without it no order can ask to be paid
    #[arg(long, env = "SHOP_CURRENCY")]
    pub shop_currency: Option<String>,
    /// Every order has to be paid before it goes on, also one that names no method
    #[arg(long, env = "PAYMENT_REQUIRED", default_value_t = false, action = clap::ArgAction::Set)]
    pub payment_required: bool,
    /// Seconds after which an order is cancelled that is to be paid at once and is not
    #[arg(long, env = "PAYMENT_WINDOW_SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(5..=604_800))]
    pub payment_window_seconds: u32,
    /// When money is taken that the customer's bank has promised, where the provider can wait for it
    #[arg(long, env = "PAYMENT_CAPTURE", value_enum, default_value_t = CaptureAt::Automatic)]
    pub payment_capture: CaptureAt,
    /// Who serves which method, where several are set up: card=stripe,upi=razorpay
    #[arg(long, env = "PAYMENT_ROUTES")]
    pub payment_routes: Option<String>,
    /// Seconds that a payment provider may take for an answer
    #[arg(long, env = "PROVIDER_TIMEOUT_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=60))]
    pub provider_timeout_seconds: u16,
    /// Calls a second that each payment provider gets at most; 0 for no limit
    #[arg(long, env = "PROVIDER_CALLS_PER_SECOND", default_value_t = 80)]
    pub provider_calls_per_second: u32,
    /// Milliseconds that a payment provider is left alone after five failures in a row
    #[arg(long, env = "PROVIDER_CIRCUIT_PAUSE_MS", default_value_t = 5000)]
    pub provider_circuit_pause_ms: u64,
    /// When the books of the day before are held against the providers', in UTC
    #[arg(long, env = "RECONCILE_AT", default_value = "03:30", value_parser = time_of_day)]
    pub reconcile_at: Time,
    #[command(flatten)]
    pub stripe: StripeConfig,
    #[command(flatten)]
    pub razorpay: RazorpayConfig,
}

/// Stripe.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Stripe")]
pub struct StripeConfig {
    /// Secret key (sk_…); no payment goes by Stripe where it is not set
    #[arg(long, env = "STRIPE_SECRET_KEY", hide_env_values = true, value_parser = secret)]
    pub stripe_secret_key: Option<SecretString>,
    /// Key that the shop's page may know (pk_…)
    #[arg(long, env = "STRIPE_PUBLISHABLE_KEY")]
    pub stripe_publishable_key: Option<String>,
    /// Secrets of the webhook (whsec_…), with commas between them; nothing is heard of Stripe where none is set
    #[arg(long, env = "STRIPE_WEBHOOK_SECRETS", hide_env_values = true, value_parser = secret)]
    pub stripe_webhook_secrets: Option<SecretString>,
    /// Where Stripe is
    #[arg(long, env = "STRIPE_URL", default_value = "https://api.stripe.com")]
    pub stripe_url: String,
}

/// Razorpay.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Razorpay")]
pub struct RazorpayConfig {
    /// Key id (rzp_…); no payment goes by Razorpay where it is not set
    #[arg(long, env = "RAZORPAY_KEY_ID")]
    pub razorpay_key_id: Option<String>,
    /// Its secret
    #[arg(long, env = "RAZORPAY_KEY_SECRET", hide_env_values = true, value_parser = secret)]
    pub razorpay_key_secret: Option<SecretString>,
    /// Secrets of the webhook, with commas between them; nothing is heard of Razorpay where none is set
    #[arg(long, env = "RAZORPAY_WEBHOOK_SECRETS", hide_env_values = true, value_parser = secret)]
    pub razorpay_webhook_secrets: Option<SecretString>,
    /// Where Razorpay is
    #[arg(long, env = "RAZORPAY_URL", default_value = "https://api.razorpay.com")]
    pub razorpay_url: String,
}

/// Currencies whose smallest coin is not a hundredth: amounts here have two decimals.
const OTHER_DECIMALS: [&str; 26] = [
    "BHD", "BIF", "CLF", "CLP", "DJF", "GNF", "IQD", "ISK", "JOD", "JPY", "KMF", "KRW", "KWD", "LYD", "OMR", "PYG",
    "RWF", "TND", "UGX", "UYI", "UYW", "VND", "VUV", "XAF", "XOF", "XPF",
];

fn fault(variable: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError { variable, reason: reason.into() }
}

/// An hour and a minute: 03:30.
fn time_of_day(text: &str) -> Result<Time, String> {
    Time::parse(text, format_description!("[hour]:[minute]")).map_err(|_| "must look like 03:30".to_owned())
}

/// A setting, unless it is empty.
fn set(secret: Option<&SecretString>) -> Option<&SecretString> {
    secret.filter(|secret| !secret.expose_secret().is_empty())
}

/// The same of a text.
fn text(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|text| !text.is_empty())
}

impl Config {
    /// The currency, if orders can ask to be paid.
    pub(super) fn currency(&self) -> Result<Option<String>, ConfigError> {
        let Some(text) = text(self.shop_currency.as_ref()) else {
            return match self.set_up().first() {
                Some(provider) => Err(fault("SHOP_CURRENCY", format!("must be set where {provider} is"))),
                None if self.payment_required => Err(fault("SHOP_CURRENCY", "must be set where PAYMENT_REQUIRED is")),
                None => Ok(None),
            };
        };
        if text.len() != 3 || !text.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return Err(fault("SHOP_CURRENCY", "must be three capital letters, such as INR"));
        }
        if OTHER_DECIMALS.contains(&text) {
            return Err(fault("SHOP_CURRENCY", "must be a currency with hundredths"));
        }
        Ok(Some(text.to_owned()))
    }

    /// The providers that are set up.
    fn set_up(&self) -> Vec<Provider> {
        let stripe = set(self.stripe.stripe_secret_key.as_ref()).map(|_| Provider::Stripe);
        let razorpay = text(self.razorpay.razorpay_key_id.as_ref()).map(|_| Provider::Razorpay);
        stripe.into_iter().chain(razorpay).collect()
    }

    /// Who serves each method: as it is said, else whoever can and is set up, Stripe first.
    pub(super) fn routes(&self) -> Result<BTreeMap<Method, Provider>, ConfigError> {
        let set_up = self.set_up();
        let mut routes = BTreeMap::from([(Method::CashOnDelivery, Provider::OnDelivery)]);
        for method in Method::ALL {
            if let Some(provider) = set_up.iter().find(|provider| provider.serves(*method)) {
                routes.insert(*method, *provider);
            }
        }
        for route in text(self.payment_routes.as_ref()).into_iter().flat_map(|text| text.split(',')) {
            let wrong = |reason: String| fault("PAYMENT_ROUTES", format!("{}: {reason}", route.trim()));
            let (method, provider) =
                route.split_once('=').ok_or_else(|| wrong("must look like card=stripe".to_owned()))?;
            let method: Method = method.trim().parse().map_err(|error| wrong(format!("the method {error}")))?;
            let provider: Provider = provider.trim().parse().map_err(|error| wrong(format!("the provider {error}")))?;
            if !provider.serves(method) {
                return Err(wrong(format!("{provider} does not serve {method}")));
            }
            if !provider.is_on_delivery() && !set_up.contains(&provider) {
                return Err(wrong(format!("{provider} is not set up")));
            }
            routes.insert(method, provider);
        }
        Ok(routes)
    }

    /// When money is taken that goes by a provider.
    pub(super) fn capture(&self, provider: Provider) -> Capture {
        match self.payment_capture {
            CaptureAt::Shipment if provider.can_wait() => Capture::Manual,
            CaptureAt::Shipment | CaptureAt::Automatic => Capture::Automatic,
        }
    }

    /// How long an order waits for its money.
    pub(super) fn window(&self) -> time::Duration {
        time::Duration::seconds(self.payment_window_seconds.into())
    }

    /// How long a provider may take.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.provider_timeout_seconds.into())
    }

    /// How long a provider is left alone once it failed again and again.
    pub(super) fn circuit_pause(&self) -> Duration {
        Duration::from_millis(self.provider_circuit_pause_ms)
    }
}

/// The keys of Stripe.
#[derive(Clone, Debug)]
pub(super) struct StripeKeys {
    pub secret: SecretString,
    /// For pages.
    pub publishable: Option<String>,
    /// What signs webhooks.
    pub webhooks: Vec<SecretString>,
}

impl StripeConfig {
    /// The keys, if it is set up. Those for tests and for real money are not mixed.
    pub(super) fn keys(&self) -> Result<Option<StripeKeys>, ConfigError> {
        let Some(secret) = set(self.stripe_secret_key.as_ref()) else { return Ok(None) };
        let publishable = text(self.stripe_publishable_key.as_ref());
        let is_test = |key: &str, kinds: [&str; 2]| match kinds {
            [test, _] if key.starts_with(test) => Some(true),
            [_, live] if key.starts_with(live) => Some(false),
            _ => None,
        };
        let kinds = [["sk_test_", "sk_live_"], ["rk_test_", "rk_live_"]];
        let kind = kinds.iter().find_map(|kinds| is_test(secret.expose_secret(), *kinds));
        let kind =
            kind.ok_or_else(|| fault("STRIPE_SECRET_KEY", "must begin with sk_test_, sk_live_, rk_test_ or rk_live_"))?;
        if let Some(publishable) = publishable {
            match is_test(publishable, ["pk_test_", "pk_live_"]) {
                Some(other) if other == kind => {}
                Some(_) => {
                    return Err(fault(
                        "STRIPE_PUBLISHABLE_KEY",
                        "is for tests and the secret key is not, or the other way round",
                    ));
                }
                None => return Err(fault("STRIPE_PUBLISHABLE_KEY", "must begin with pk_test_ or pk_live_")),
            }
        }
        let webhooks = listed(self.stripe_webhook_secrets.as_ref());
        Ok(Some(StripeKeys { secret: secret.clone(), publishable: publishable.map(str::to_owned), webhooks }))
    }

    /// Whether the secret key moves no real money.
    pub(super) fn is_test(&self) -> bool {
        self.stripe_secret_key
            .as_ref()
            .is_some_and(|key| key.expose_secret().get(2..).is_some_and(|key| key.starts_with("_test_")))
    }
}

impl RazorpayConfig {
    /// The key id, its secret and the secrets of webhooks, if it is set up.
    pub(super) fn keys(&self) -> Result<Option<(String, SecretString, Vec<SecretString>)>, ConfigError> {
        let Some(id) = text(self.razorpay_key_id.as_ref()) else { return Ok(None) };
        if !id.starts_with("rzp_test_") && !id.starts_with("rzp_live_") {
            return Err(fault("RAZORPAY_KEY_ID", "must begin with rzp_test_ or rzp_live_"));
        }
        let secret = set(self.razorpay_key_secret.as_ref());
        let secret = secret.ok_or_else(|| fault("RAZORPAY_KEY_SECRET", "must be set where RAZORPAY_KEY_ID is"))?;
        Ok(Some((id.to_owned(), secret.clone(), listed(self.razorpay_webhook_secrets.as_ref()))))
    }
}

/// Secrets with commas between them.
fn listed(secrets: Option<&SecretString>) -> Vec<SecretString> {
    let all = secrets.map(ExposeSecret::expose_secret).unwrap_or_default().split(',').map(str::trim);
    all.filter(|secret| !secret.is_empty()).map(SecretString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::{Config, Method, Provider};
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        payments: Config,
    }

    fn config(flags: &[&str]) -> Config {
        Flags::parse_from(std::iter::once(&"x").chain(flags)).payments
    }

    #[test]
    fn only_a_currency_with_hundredths_is_taken() {
        let of = |text: &str| config(&["--shop-currency", text]).currency().map_err(|error| error.to_string());
        assert_eq!(of("INR"), Ok(Some("INR".to_owned())));
        assert_eq!(of(""), Ok(None));
        for none in ["inr", "RUPEES", "€", "IN1"] {
            assert!(of(none).unwrap_err().contains("three capital letters"), "{none}");
        }
        for other in ["JPY", "KWD", "XPF"] {
            assert!(of(other).unwrap_err().contains("hundredths"), "{other}");
        }
        let without = config(&["--stripe-secret-key", "sk_test_x"]).currency().unwrap_err().to_string();
        assert!(without.contains("must be set where STRIPE is"), "{without}");
        assert!(config(&["--payment-required", "true"]).currency().is_err());
    }

    const BOTH: [&str; 6] =
        ["--stripe-secret-key", "sk_test_x", "--razorpay-key-id", "rzp_test_x", "--razorpay-key-secret", "y"];

    #[test]
    fn each_method_has_the_provider_that_is_said_or_one_that_can() {
        let of = |flags: &[&str], method| config(flags).routes().unwrap().get(&method).copied();
        assert_eq!(of(&[], Method::Card), None);
        assert_eq!(of(&[], Method::CashOnDelivery), Some(Provider::OnDelivery));
        assert_eq!(of(&BOTH, Method::Card), Some(Provider::Stripe));
        assert_eq!(of(&BOTH, Method::Upi), Some(Provider::Razorpay));
        let said = [&BOTH[..], &["--payment-routes", "card=razorpay, upi = razorpay"]].concat();
        assert_eq!(of(&said, Method::Card), Some(Provider::Razorpay));
        for (routes, why) in [
            ("card", "must look like card=stripe"),
            ("cash=stripe", "the method must be one of"),
            ("card=bank", "the provider must be one of"),
            ("upi=stripe", "STRIPE does not serve UPI"),
        ] {
            let error = config(&[&BOTH[..], &["--payment-routes", routes]].concat()).routes().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let absent = config(&["--payment-routes", "card=stripe"]).routes().unwrap_err().to_string();
        assert!(absent.contains("STRIPE is not set up"), "{absent}");
    }

    #[test]
    fn keys_for_tests_and_for_real_money_are_not_mixed() {
        let stripe = |secret: &str, page: &str| {
            let config = config(&["--stripe-secret-key", secret, "--stripe-publishable-key", page]);
            config.stripe.keys().map(|keys| keys.is_some()).map_err(|error| error.to_string())
        };
        assert_eq!(stripe("sk_test_x", "pk_test_x"), Ok(true));
        assert_eq!(stripe("rk_live_x", "pk_live_x"), Ok(true));
        assert_eq!(stripe("", "pk_live_x"), Ok(false));
        assert!(stripe("sk_test_x", "pk_live_x").unwrap_err().starts_with("STRIPE_PUBLISHABLE_KEY: is for tests"));
        assert!(stripe("sk_live_x", "pk_test_x").is_err() && stripe("sk_live_x", "sk_live_x").is_err());
        assert!(stripe("hush", "pk_test_x").unwrap_err().starts_with("STRIPE_SECRET_KEY: must begin with"));
        assert!(config(&["--razorpay-key-id", "rzp_test_x"]).razorpay.keys().is_err());
        assert!(config(&["--razorpay-key-id", "x", "--razorpay-key-secret", "y"]).razorpay.keys().is_err());
    }

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        assert_eq!(config(&[]).reconcile_at, time::macros::time!(03:30));
        assert_eq!(config(&["--reconcile-at", "23:59"]).reconcile_at, time::macros::time!(23:59));
        for wrong in ["24:00", "3:30", "noon", "03:30:00"] {
            assert!(super::time_of_day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn several_secrets_of_webhooks_are_taken_and_none_shows() {
        let config =
            config(&["--stripe-secret-key", "sk_test_hush", "--stripe-webhook-secrets", "whsec_hush, whsec_b,"]);
        assert_eq!(config.stripe.keys().unwrap().unwrap().webhooks.len(), 2);
        assert!(!format!("{config:?}").contains("hush"));
    }
}
