//! What the module keeps while the service runs: how orders are paid, and the ways to those who take the money.

use super::config::Config;
use super::domain::{AskedPayment, Capture, Method, Provider, RequestedPayment};
use super::providers::Providers;
use super::webhooks::Secrets;
use service_kit::health::Dependency;
use service_kit::lifecycle::StartError;
use service_kit::validation::FieldErrors;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use time::{OffsetDateTime, Time};
use tokio::sync::Notify;

/// The module's part of the application state.
#[derive(Debug)]
pub struct Payments {
    currency: Option<String>,
    is_required: bool,
    routes: BTreeMap<Method, Provider>,
    manual: BTreeSet<Provider>,
    window: time::Duration,
    timeout: Duration,
    /// When the books of the day before are held against the providers', in UTC.
    pub reconcile_at: Time,
    /// The ways to the providers.
    pub providers: Providers,
    /// What tells that a webhook is theirs.
    pub webhooks: Secrets,
    /// Told when something is to be sent.
    pub woken: Arc<Notify>,
}

impl Payments {
    /// As it is set up; connects to nothing yet.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            currency: config.currency()?,
            is_required: config.payment_required,
            routes: config.routes()?,
            manual: Provider::ALL.iter().copied().filter(|it| config.capture(*it) == Capture::Manual).collect(),
            window: config.window(),
            timeout: config.timeout(),
            reconcile_at: config.reconcile_at,
            providers: Providers::new(config)?,
            webhooks: Secrets::new(config)?,
            woken: Arc::default(),
        })
    }

    /// The currency in which orders are paid, where they can ask for that.
    pub fn currency(&self) -> Option<&str> {
        self.currency.as_deref()
    }

    /// Who serves what was asked for. Fields at fault are below `prefix`.
    pub fn asked(&self, requested: RequestedPayment, prefix: &str) -> Result<AskedPayment, FieldErrors> {
        let RequestedPayment { method, provider: named } = requested;
        let fault = |field: &str, reason: String| FieldErrors::one(format!("{prefix}{field}"), reason);
        if self.currency.is_none() {
            let field = prefix.strip_suffix('.').unwrap_or("method");
            return Err(FieldErrors::one(field, "this shop takes no payments (SHOP_CURRENCY)"));
        }
        let Some(provider) = self.routes.get(&method).copied() else {
            return Err(fault("method", format!("{method} is not set up in this shop")));
        };
        if named.is_some_and(|named| named != provider) {
            return Err(fault("provider", format!("does not serve {method} in this shop")));
        }
        let capture = if self.manual.contains(&provider) { Capture::Manual } else { Capture::Automatic };
        Ok(AskedPayment { method, provider, capture })
    }

    /// By what an order that is being placed is to be paid. Where every order is, one that names no method gets the first that a
    /// provider serves: its customer can still choose another.
    pub fn wanted_by_order(
        &self,
        requested: Option<RequestedPayment>,
    ) -> Result<Option<RequestedPayment>, FieldErrors> {
        let wanted = match requested {
            None if self.is_required => {
                let first = self.routes.iter().find(|(_, provider)| !provider.is_on_delivery());
                let (method, _) = first.ok_or_else(|| FieldErrors::one("payment", "is required in this shop"))?;
                Some(RequestedPayment { method: *method, provider: None })
            }
            requested => requested,
        };
        if let Some(wanted) = wanted {
            self.asked(wanted, "payment.")?;
        }
        Ok(wanted)
    }

    /// By when an order has to be paid whose payment is opened now, where that matters.
    pub fn pay_by(&self, provider: Provider, now: OffsetDateTime) -> Option<OffsetDateTime> {
        (!provider.is_on_delivery()).then(|| now + self.window)
    }

    /// The longest that one call of a provider takes.
    pub fn patience(&self) -> Duration {
        self.timeout
    }

    /// Those who take the money, where they are left alone at the moment.
    pub fn dependencies(&self) -> Vec<(&'static str, Dependency)> {
        self.providers.dependencies()
    }
}

#[cfg(test)]
mod tests {
    use super::{AskedPayment, Method, Payments, Provider, RequestedPayment};
    use crate::payments::Config;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        payments: Config,
    }

    fn asked(flags: &[&str], method: Method, provider: Option<Provider>) -> Result<Provider, String> {
        let config = Flags::parse_from(std::iter::once(&"x").chain(flags)).payments;
        let asked = Payments::new(&config).unwrap().asked(RequestedPayment { method, provider }, "payment.");
        asked.map(|AskedPayment { provider, .. }| provider).map_err(|error| error.to_string())
    }

    #[test]
    fn an_order_that_names_no_method_gets_one_only_where_it_has_to_be_paid() {
        let wanted = |flags: &[&str]| {
            let flags = ["x", "--shop-currency", "INR"].iter().chain(flags);
            let payments = Payments::new(&Flags::parse_from(flags).payments).unwrap();
            payments.wanted_by_order(None).map(|wanted| wanted.map(|it| it.method)).map_err(|error| error.to_string())
        };
        let razorpay = ["--razorpay-key-id", "rzp_test_a", "--razorpay-key-secret", "b"];
        let required = ["--payment-required", "true"];
        assert_eq!(wanted(&razorpay), Ok(None));
        assert_eq!(wanted(&[&razorpay[..], &required].concat()), Ok(Some(Method::Card)));
        assert_eq!(
            wanted(&required),
            Err("payment is required in this shop".to_owned()),
            "nobody takes it but at the door"
        );
    }

    #[test]
    fn a_method_is_served_or_refused_by_name() {
        const INR: [&str; 2] = ["--shop-currency", "INR"];
        assert_eq!(asked(&INR, Method::CashOnDelivery, None), Ok(Provider::OnDelivery));
        assert_eq!(asked(&INR, Method::CashOnDelivery, Some(Provider::OnDelivery)), Ok(Provider::OnDelivery));
        let off = asked(&[], Method::CashOnDelivery, None).unwrap_err();
        assert_eq!(off, "payment this shop takes no payments (SHOP_CURRENCY)");
        let unserved = asked(&INR, Method::Card, None).unwrap_err();
        assert_eq!(unserved, "payment.method CARD is not set up in this shop");
        let other = asked(&INR, Method::CashOnDelivery, Some(Provider::Stripe)).unwrap_err();
        assert_eq!(other, "payment.provider does not serve CASH_ON_DELIVERY in this shop");
    }
}
