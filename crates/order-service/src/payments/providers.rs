//! EDGE: those who take money, each over HTTP in a file of its own, and what they can be asked.
//!
//! Nothing here moves money in our tables: a call ends in an [`Answer`], and what a provider shows is applied by `commands`.

mod limiter;
mod razorpay;
mod stripe;

use super::config::Config;
use super::domain::{Listed, ListedRefund, Operation, Payment, Provider, Session, Shown, ShownRefund, Trial};
use limiter::Limiter;
use razorpay::Razorpay;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::de::DeserializeOwned;
use service_kit::circuit::{CircuitBreaker, Guarded, Verdict};
use service_kit::health::{Circuit, Dependency};
use service_kit::lifecycle::StartError;
use service_kit::validation::FieldErrors;
use shared_types::Money;
use std::time::{Duration, Instant};
use stripe::Stripe;
use time::OffsetDateTime;

/// The longest that a provider can ask to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What an answer means for what was asked. Only the first two end an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer<Done> {
    /// It is done, and this is what it is now.
    Done(Done),
    /// It was refused for good, with this code of the provider: `card_declined`.
    Refused(String),
    /// The provider failed while it was at work, and says so again to whoever asks under the same key. Nobody knows what it did.
    Failed(&'static str),
    /// Nobody knows: why.
    Unknown(&'static str),
    /// It never left this machine: why.
    NotSent(&'static str),
    /// The provider takes nothing for this time. That counts as no attempt.
    Later(Duration),
}

impl<Done> Answer<Done> {
    /// Whether the provider works, as far as this shows.
    fn works(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Refused(_))
    }

    /// Its name in the labels of metrics.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
            Self::NotSent(_) => "not_sent",
            Self::Later(_) => "later",
        }
    }

    /// The same answer where there is nothing to show.
    fn without<Other>(self) -> Answer<Other> {
        match self {
            Self::Done(_) => Answer::Unknown("the answer is not what was asked for"),
            Self::Refused(code) => Answer::Refused(code),
            Self::Failed(why) => Answer::Failed(why),
            Self::Unknown(why) => Answer::Unknown(why),
            Self::NotSent(why) => Answer::NotSent(why),
            Self::Later(time) => Answer::Later(time),
        }
    }

    /// The same answer about something else.
    pub fn map<Other>(self, with: impl FnOnce(Done) -> Other) -> Answer<Other> {
        match self {
            Self::Done(done) => Answer::Done(with(done)),
            other => other.without(),
        }
    }
}

/// What came of a call for an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The payment as it is now.
    Payment(Shown),
    /// The refund as it is now.
    Refund(ShownRefund),
}

/// The providers that are set up; clones share their connections.
#[derive(Clone, Debug)]
pub struct Providers {
    stripe: Option<Stripe>,
    razorpay: Option<Razorpay>,
}

impl Providers {
    /// Prepares the calls, and connects to nothing yet.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        Ok(Self { stripe: Stripe::new(config)?, razorpay: Razorpay::new(config)? })
    }

    /// Each with the circuit in front of it, by name.
    pub fn dependencies(&self) -> Vec<(&'static str, Dependency)> {
        let of = |circuit: &CircuitBreaker| {
            let away =
                || Err("it failed again and again: payments by it wait, and one call is tried at times".to_owned());
            let status = if circuit.shown() == Circuit::Closed { Ok(()) } else { away() };
            Dependency::optional(status).behind(circuit.shown())
        };
        let stripe = self.stripe.iter().map(|stripe| ("stripe", of(stripe.circuit())));
        let razorpay = self.razorpay.iter().map(|razorpay| ("razorpay", of(razorpay.circuit())));
        stripe.chain(razorpay).collect()
    }

    /// Asks for an operation, under its id as the key: again, it does it no second time.
    pub async fn perform(&self, payment: &Payment, operation: &Operation, trial: Option<&Trial>) -> Answer<Outcome> {
        match (payment.provider, &self.stripe, &self.razorpay) {
            (Provider::Stripe, Some(stripe), _) => stripe.perform(payment, operation, trial).await,
            (Provider::Razorpay, _, Some(razorpay)) => razorpay.perform(payment, operation).await,
            _ => not_set_up(),
        }
    }

    /// Looks at a payment; `None` where the provider has none for it.
    pub async fn look(&self, payment: &Payment) -> Answer<Option<Shown>> {
        match (payment.provider, &self.stripe, &self.razorpay) {
            (Provider::Stripe, Some(stripe), _) => stripe.look(payment).await,
            (Provider::Razorpay, _, Some(razorpay)) => razorpay.look(payment).await,
            _ => not_set_up(),
        }
    }

    /// Those that are set up.
    pub fn set_up(&self) -> impl Iterator<Item = Provider> {
        let stripe = self.stripe.is_some().then_some(Provider::Stripe);
        stripe.into_iter().chain(self.razorpay.is_some().then_some(Provider::Razorpay))
    }

    /// The payments that were opened there from one time until before another.
    pub async fn payments_between(
        &self,
        provider: Provider,
        (from, to): (OffsetDateTime, OffsetDateTime),
    ) -> Answer<Vec<Listed>> {
        match (provider, &self.stripe, &self.razorpay) {
            (Provider::Stripe, Some(stripe), _) => stripe.payments_between(from, to).await,
            (Provider::Razorpay, _, Some(razorpay)) => razorpay.payments_between(from, to).await,
            _ => not_set_up(),
        }
    }

    /// The refunds that were made there from one time until before another.
    pub async fn refunds_between(
        &self,
        provider: Provider,
        (from, to): (OffsetDateTime, OffsetDateTime),
    ) -> Answer<Vec<ListedRefund>> {
        match (provider, &self.stripe, &self.razorpay) {
            (Provider::Stripe, Some(stripe), _) => stripe.refunds_between(from, to).await,
            (Provider::Razorpay, _, Some(razorpay)) => razorpay.refunds_between(from, to).await,
            _ => not_set_up(),
        }
    }

    /// The provider's name of the payment that a listed refund gives back, as we know payments by it.
    pub async fn payment_of(&self, provider: Provider, refund: &ListedRefund) -> Answer<Option<String>> {
        match (provider, &self.razorpay) {
            (Provider::Razorpay, Some(razorpay)) => razorpay.order_of(&refund.of).await,
            _ => Answer::Done(Some(refund.of.clone())),
        }
    }

    /// What the page needs on which a customer pays. Never kept, never logged.
    pub async fn session(&self, payment: &Payment) -> Answer<Session> {
        let Some(id) = payment.provider_id.as_deref() else {
            return Answer::NotSent("the provider does not know of the payment yet");
        };
        match (payment.provider, &self.stripe, &self.razorpay) {
            (Provider::Stripe, Some(stripe), _) => stripe.session(id).await,
            (Provider::Razorpay, _, Some(razorpay)) => razorpay.session(payment, id),
            _ => not_set_up(),
        }
    }

    /// Checks what a page got from its provider when its customer had paid: `triple` is a payment and its signature.
    pub fn check_return(&self, payment: &Payment, triple: Option<(&str, &str)>) -> Result<(), FieldErrors> {
        let Some((id, signature)) = triple else { return Ok(()) };
        let (Provider::Razorpay, Some(razorpay)) = (payment.provider, &self.razorpay) else {
            return Err(FieldErrors::one("razorpayPaymentId", format!("is not for {}", payment.provider)));
        };
        match razorpay.is_signed(payment, id, signature) {
            true => Ok(()),
            false => Err(FieldErrors::one("razorpaySignature", "is not that of this payment")),
        }
    }
}

fn not_set_up<Done>() -> Answer<Done> {
    Answer::NotSent("the provider is not set up")
}

/// A client for calls that must neither last for ever nor be led elsewhere: a redirection would carry the key with it.
fn client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    let connect = Duration::from_secs(3).min(timeout);
    http_client::client().connect_timeout(connect).timeout(timeout).redirect(reqwest::redirect::Policy::none()).build()
}

fn circuit(name: &'static str, label: &'static str, config: &Config) -> CircuitBreaker {
    let label = Some(("provider", label));
    CircuitBreaker::new(Guarded { name, metrics: "payment_provider", label, pause: config.circuit_pause() })
}

/// What is a provider's own in the meaning of its answers.
struct Dialect {
    /// That the shop's key is not accepted: whoever set it up has to look, and it is nobody's attempt.
    not_accepted: &'static str,
    /// The statuses which say that the same is under way already.
    under_way: &'static [StatusCode],
    /// What an error of the provider's own means.
    failure: Failing,
    /// Why something was refused, as the body of the answer names it.
    code: fn(&[u8]) -> String,
}

/// Whether an error of the provider comes again for whoever asks again.
enum Failing {
    ForGood(&'static str),
    Once(&'static str),
}

/// What an answer means. What is no definite answer leaves the outcome open: a timeout is no refusal.
async fn read<Done: DeserializeOwned>(response: Response, dialect: &Dialect) -> Answer<Done> {
    let (status, pause) = (response.status(), pause(response.headers()));
    let Ok(body) = response.bytes().await else { return Answer::Unknown("the connection broke") };
    match status {
        status if status.is_success() => match serde_json::from_slice(&body) {
            Ok(done) => Answer::Done(done),
            Err(_) => Answer::Unknown("the answer cannot be read"),
        },
        StatusCode::TOO_MANY_REQUESTS => Answer::Later(pause),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Answer::NotSent(dialect.not_accepted),
        status if dialect.under_way.contains(&status) => Answer::Unknown("it is under way already"),
        status if status.is_client_error() => Answer::Refused((dialect.code)(&body)),
        _ => match dialect.failure {
            Failing::ForGood(why) => Answer::Failed(why),
            Failing::Once(why) => Answer::Unknown(why),
        },
    }
}

/// Sends a call through the circuit, when it is its turn, and measures what comes of it.
async fn send<Done: DeserializeOwned>(
    limiter: &Limiter,
    (provider, circuit): (Provider, &CircuitBreaker),
    call: RequestBuilder,
    dialect: &Dialect,
) -> Answer<Done> {
    if !limiter.turn().await {
        return Answer::Later(Duration::from_secs(1));
    }
    let sent = async {
        let since = Instant::now();
        let answer = match call.send().await {
            Ok(response) => read(response, dialect).await,
            Err(error) if error.is_connect() => Answer::NotSent(http_client::reason(&error)),
            Err(error) => Answer::Unknown(http_client::reason(&error)),
        };
        let labels = [("provider", provider.label()), ("outcome", answer.outcome())];
        metrics::histogram!("payment_provider_call_seconds", &labels).record(since.elapsed());
        answer
    };
    let verdict = |answer: &Answer<Done>| match answer {
        Answer::Later(time) => Verdict::Away(*time),
        answer if answer.works() => Verdict::Works,
        _ => Verdict::Fails,
    };
    circuit.call(sent, verdict).await.unwrap_or(Answer::NotSent("the provider is left alone for a moment"))
}

/// How long an answer asks us to wait; a second where it does not say.
fn pause(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1)).min(LONGEST_PAUSE)
}

/// An amount as providers count it.
fn hundredths(amount: Money) -> Option<u64> {
    (amount.decimal() * Decimal::ONE_HUNDRED).to_u64().filter(|hundredths| *hundredths > 0)
}

/// The same as we do.
pub(super) fn money(hundredths: u64) -> Money {
    Money::from(Decimal::from_i128_with_scale(hundredths.into(), 2))
}
