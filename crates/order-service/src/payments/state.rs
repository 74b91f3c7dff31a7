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

    /// The payment of an order that is being placed.
    pub fn asked_by_order(&self, requested: Option<RequestedPayment>) -> Result<Option<AskedPayment>, FieldErrors> {
        match requested {
            Some(requested) => self.asked(requested, "payment.").map(Some),
            None if self.is_required => Err(FieldErrors::one("payment", "is required in this shop")),
            None => Ok(None),
        }
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
