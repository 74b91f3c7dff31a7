//! Stripe: payment intents and refunds over its HTTP interface.
//!
//! <https://docs.stripe.com/api>

mod lists;

use super::limiter::Limiter;
use super::{Answer, Dialect, Failing, Outcome, money};
use crate::payments::config::{Config, StripeKeys};
use crate::payments::domain::{
    Amounts, Attempt, Closed, Observed, Operation, OperationKind, Payment, Provider, RefundState, Session, Shown,
    ShownRefund, Trial,
};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service_kit::circuit::CircuitBreaker;
use service_kit::config::ConfigError;
use service_kit::lifecycle::StartError;
use shared_types::Money;
use std::collections::HashMap;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// The version of the interface that is spoken here.
const VERSION: &str = "2026-09-30.endive";

/// The most that Stripe takes, in hundredths: eight digits.
const MOST: u64 = 99_999_999;

/// Our name of a payment, among what a shop may write on it.
const REFERENCE: &str = "reference";

/// Our name of a refund, likewise.
const OPERATION: &str = "operation";

/// Payments, or refunds of one payment, that a list gives at once.
const PAGE: usize = 100;

/// How far back the list of payments is read for one whose name is not known: pages of [`PAGE`].
const PAGES: usize = 20;

/// Stripe's interface; clones share its connections.
#[derive(Clone, Debug)]
pub struct Stripe(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    http: Client,
    base: Url,
    key: HeaderValue,
    publishable_key: Option<String>,
    circuit: CircuitBreaker,
    limiter: Limiter,
}

/// A payment, as far as it is read here.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Intent {
    id: String,
    amount: u64,
    currency: String,
    status: String,
    #[serde(default)]
    amount_capturable: u64,
    #[serde(default)]
    amount_received: u64,
    latest_charge: Option<String>,
    #[serde(default)]
    metadata: HashMap<String, String>,
    cancellation_reason: Option<String>,
    last_payment_error: Option<Failure>,
}

/// What only the page of a customer may see.
#[derive(Deserialize)]
struct Secret {
    client_secret: String,
    next_action: Option<NextAction>,
}

#[derive(Deserialize)]
struct NextAction {
    redirect_to_url: Option<Redirection>,
}

#[derive(Deserialize)]
struct Redirection {
    url: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
struct Failure {
    #[serde(default)]
    code: String,
    decline_code: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: Failure,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Refund {
    id: String,
    amount: u64,
    status: String,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct List<Item> {
    data: Vec<Item>,
    #[serde(default)]
    has_more: bool,
}

/// Hundredths, if Stripe takes so much.
fn hundredths(amount: Money) -> Option<u64> {
    super::hundredths(amount).filter(|hundredths| *hundredths <= MOST)
}

impl Stripe {
    /// Prepares the calls, where it is set up, and connects to nothing yet.
    pub fn new(config: &Config) -> Result<Option<Self>, StartError> {
        let Some(StripeKeys { secret, publishable: publishable_key, .. }) = config.stripe.keys()? else {
            return Ok(None);
        };
        let fault = |variable, reason: &str| ConfigError { variable, reason: reason.to_owned() };
        let base = Url::parse(&config.stripe.stripe_url).ok().filter(Url::has_host);
        let base = base.ok_or_else(|| fault("STRIPE_URL", "must look like https://api.stripe.com"))?;
        let mut key = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret()))
            .map_err(|_| fault("STRIPE_SECRET_KEY", "cannot be sent in a header"))?;
        key.set_sensitive(true);
        let http = super::client(config.timeout())?;
        let circuit = super::circuit("Stripe", "stripe", config);
        let limiter = Limiter::new(config.provider_calls_per_second);
        Ok(Some(Self(Arc::new(Parts { http, base, key, publishable_key, circuit, limiter }))))
    }

    /// The circuit in front of it.
    pub fn circuit(&self) -> &CircuitBreaker {
        &self.0.circuit
    }

    /// Asks for an operation, under its id as the key.
    pub async fn perform(&self, payment: &Payment, operation: &Operation, trial: Option<&Trial>) -> Answer<Outcome> {
        let (key, amount) = (operation.id, operation.amount);
        match (operation.kind, payment.provider_id.as_deref()) {
            (OperationKind::Create, _) => self.create(key, payment).await.map(Outcome::Payment),
            (_, None) => Answer::Refused("not_created".to_owned()),
            (OperationKind::Confirm, Some(id)) => match trial {
                Some(Trial { token, return_url }) => {
                    self.confirm(key, id, token, return_url.as_deref()).await.map(Outcome::Payment)
                }
                None => Answer::Refused("token_missing".to_owned()),
            },
            (OperationKind::Capture, Some(id)) => self.capture(key, id, amount).await.map(Outcome::Payment),
            (OperationKind::Void, Some(id)) => self.cancel(key, id).await.map(Outcome::Payment),
            (OperationKind::Refund, Some(id)) => self.refund(key, id, amount).await.map(Outcome::Refund),
        }
    }

    /// Looks at a payment; `None` where there is none for it.
    pub async fn look(&self, payment: &Payment) -> Answer<Option<Shown>> {
        match payment.provider_id.as_deref() {
            Some(id) => self.get_payment(id).await.map(Some),
            None => self.find(payment.reference, payment.created_at).await,
        }
    }

    async fn create(&self, key: Uuid, payment: &Payment) -> Answer<Shown> {
        let Some(amount) = hundredths(payment.amount) else { return Answer::Refused("amount_too_large".to_owned()) };
        let fields = [
            ("amount", amount.to_string()),
            ("currency", payment.currency.to_lowercase()),
            ("capture_method", payment.capture.as_str().to_lowercase()),
            ("payment_method_types[0]", "card".to_owned()),
            ("metadata[reference]", payment.reference.to_string()),
        ];
        self.post("/v1/payment_intents", key, &fields).await.map(Intent::shown)
    }

    async fn confirm(&self, key: Uuid, id: &str, token: &str, return_url: Option<&str>) -> Answer<Shown> {
        let mut fields = vec![("payment_method", token.to_owned())];
        fields.extend(return_url.map(|url| ("return_url", url.to_owned())));
        self.post(&format!("/v1/payment_intents/{id}/confirm"), key, &fields).await.map(Intent::shown)
    }

    async fn capture(&self, key: Uuid, id: &str, amount: Money) -> Answer<Shown> {
        let fields = [("amount_to_capture", hundredths(amount).unwrap_or_default().to_string())];
        self.post(&format!("/v1/payment_intents/{id}/capture"), key, &fields).await.map(Intent::shown)
    }

    async fn cancel(&self, key: Uuid, id: &str) -> Answer<Shown> {
        let fields = [("cancellation_reason", "abandoned".to_owned())];
        self.post(&format!("/v1/payment_intents/{id}/cancel"), key, &fields).await.map(Intent::shown)
    }

    async fn refund(&self, key: Uuid, id: &str, amount: Money) -> Answer<ShownRefund> {
        let amount = hundredths(amount).unwrap_or_default().to_string();
        let fields = [("payment_intent", id.to_owned()), ("amount", amount), ("metadata[operation]", key.to_string())];
        self.post("/v1/refunds", key, &fields).await.map(Refund::shown)
    }

    /// A payment and, once money moved, its refunds.
    async fn get_payment(&self, id: &str) -> Answer<Shown> {
        let path = format!("/v1/payment_intents/{id}");
        let shown = match self.get::<Intent>(&path, &[]).await {
            Answer::Done(intent) if intent.latest_charge.is_none() => return Answer::Done(intent.shown()),
            Answer::Done(intent) => intent.shown(),
            other => return other.map(Intent::shown),
        };
        let of_it = [("payment_intent", id), ("limit", "100")];
        self.get::<List<Refund>>("/v1/refunds", &of_it).await.map(|list| {
            // More than that many refunds of one payment: those that do not show are not known, as if nobody had looked.
            let all = (!list.has_more).then(|| list.data.into_iter().map(Refund::shown).collect());
            Shown { refunds: all, ..shown }
        })
    }

    /// The payment that has this reference, if one was opened since.
    async fn find(&self, reference: Uuid, since: OffsetDateTime) -> Answer<Option<Shown>> {
        // Its clock may be behind ours.
        let since = (since.unix_timestamp() - 300).to_string();
        let mut after: Option<String> = None;
        for _ in 0..PAGES {
            let limit = PAGE.to_string();
            let mut query = vec![("created[gte]", since.as_str()), ("limit", limit.as_str())];
            query.extend(after.as_deref().map(|id| ("starting_after", id)));
            let list = match self.get::<List<Intent>>("/v1/payment_intents", &query).await {
                Answer::Done(list) => list,
                other => return other.map(|_| None),
            };
            let is_it = |intent: &&Intent| intent.reference() == Some(reference);
            if let Some(intent) = list.data.iter().find(is_it) {
                return Answer::Done(Some(intent.clone().shown()));
            }
            match list.data.last() {
                Some(last) if list.has_more => after = Some(last.id.clone()),
                _ => return Answer::Done(None),
            }
        }
        Answer::Unknown("it is not among the newest payments")
    }

    /// What the page of a customer needs.
    pub async fn session(&self, id: &str) -> Answer<Session> {
        let publishable_key = self.0.publishable_key.clone();
        self.get::<Secret>(&format!("/v1/payment_intents/{id}"), &[]).await.map(|secret| Session::Stripe {
            client_secret: SecretString::from(secret.client_secret),
            publishable_key,
            action_url: secret.next_action.and_then(|next| next.redirect_to_url).map(|to| to.url),
        })
    }

    async fn post<Done: DeserializeOwned>(&self, path: &str, key: Uuid, fields: &[(&str, String)]) -> Answer<Done> {
        let Ok(url) = self.0.base.join(path) else { return Answer::NotSent("the path is none") };
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let call = self.0.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.call(call.header("idempotency-key", key.to_string()).body(body)).await
    }

    async fn get<Done: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Answer<Done> {
        let Ok(url) = self.0.base.join(path) else { return Answer::NotSent("the path is none") };
        self.call(self.0.http.get(url).query(&query)).await
    }

    async fn call<Done: DeserializeOwned>(&self, call: RequestBuilder) -> Answer<Done> {
        let call = call.header(AUTHORIZATION, self.0.key.clone()).header("stripe-version", VERSION);
        super::send(&self.0.limiter, (Provider::Stripe, &self.0.circuit), call, &DIALECT).await
    }
}

/// Stripe keeps an error of its own under the key: whoever asks again gets it again.
const DIALECT: Dialect = Dialect {
    not_accepted: "Stripe does not accept the key",
    under_way: &[StatusCode::CONFLICT, StatusCode::FAILED_DEPENDENCY],
    failure: Failing::ForGood("an error of Stripe"),
    code: |body| serde_json::from_slice::<Refusal>(body).unwrap_or_default().error.code(),
};

impl Failure {
    /// The bank's reason, where it gives one.
    fn code(self) -> String {
        self.decline_code.filter(|code| code != "generic_decline").unwrap_or(self.code)
    }
}

impl Intent {
    /// Our name of it.
    fn reference(&self) -> Option<Uuid> {
        self.metadata.get(REFERENCE)?.parse().ok()
    }

    /// What it shows.
    fn shown(self) -> Shown {
        let observed = self.observed();
        Shown {
            provider_id: self.id,
            provider_payment_id: self.latest_charge,
            observed,
            error_code: self.last_payment_error.map(Failure::code),
            refunds: None,
        }
    }

    fn observed(&self) -> Observed {
        let (amount, captured) = (money(self.amount), money(self.amount_received));
        let amounts = match self.status.as_str() {
            // What was promised beyond what was taken went back with the capture.
            "succeeded" => Amounts { authorized: amount, captured, released: amount - captured },
            _ => Amounts { authorized: captured + money(self.amount_capturable), captured, released: Money::default() },
        };
        let attempt = match self.status.as_str() {
            "requires_action" | "processing" => Attempt::ActionRequired,
            "requires_payment_method" if self.last_payment_error.is_some() => Attempt::Failed,
            _ => Attempt::None,
        };
        let closed = match self.cancellation_reason.as_deref() {
            _ if self.status != "canceled" => None,
            Some("automatic" | "expired") => Some(Closed::Expired),
            _ => Some(Closed::Voided),
        };
        let reference = self.reference().unwrap_or_default();
        Observed { reference, amount, currency: self.currency.to_uppercase(), amounts, attempt, closed }
    }
}

impl Refund {
    fn shown(self) -> ShownRefund {
        let state = match self.status.as_str() {
            "succeeded" => RefundState::Succeeded,
            "failed" | "canceled" => RefundState::Failed,
            _ => RefundState::Pending,
        };
        let operation = self.metadata.get(OPERATION).and_then(|text| text.parse().ok());
        ShownRefund { id: self.id, operation, amount: money(self.amount), state }
    }
}

#[cfg(test)]
mod tests {
    use super::{Intent, hundredths};
    use crate::payments::domain::{Attempt, Closed};
    use rust_decimal::Decimal;
    use shared_types::Money;

    fn intent(rest: &str) -> Intent {
        let text =
            format!(r#"{{"id": "pi_1", "amount": 3980, "currency": "inr", "object": "payment_intent", {rest}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_look_says_what_is() {
        let paid =
            intent(r#""status": "succeeded", "amount_received": 3980, "metadata": {"reference": "x"}"#).observed();
        assert_eq!((paid.amounts.captured, paid.currency.as_str()), (paid.amount, "INR"));
        assert!(paid.reference.is_nil(), "a reference that is none is not ours");
        let failed = intent(r#""status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}"#);
        assert_eq!(
            (failed.observed().attempt, failed.clone().shown().error_code.as_deref()),
            (Attempt::Failed, Some("card_declined"))
        );
        let gone = intent(r#""status": "canceled", "cancellation_reason": "automatic""#).observed();
        assert_eq!(gone.closed, Some(Closed::Expired));
        let part = intent(r#""status": "succeeded", "amount_received": 1000"#).observed();
        assert_eq!(part.amounts.captured + part.amounts.released, part.amounts.authorized);
    }

    #[test]
    fn amounts_are_hundredths_and_have_eight_digits() {
        let of = |cents: i64| hundredths(Money::from(Decimal::new(cents, 2)));
        assert_eq!((of(3980), of(0), of(99_999_999), of(100_000_000)), (Some(3980), None, Some(99_999_999), None));
    }
}
