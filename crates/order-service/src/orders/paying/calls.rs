//! The calls of providers, and what came of each; around each its span, and the points at which a test ends the process.

use crate::failure_point;
use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::payments::{
    self, Answer, End, Operation, OperationKind, OperationStatus, Outcome, PROVIDER_ERROR, Payment, Shown, Trial,
};
use service_kit::telemetry;
use service_kit::traces::{self, Span};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// When something is asked again whose answer did not come: after a second, then twice as long each time, up to five minutes.
const LONGEST_PAUSE: u64 = 300;

/// What came of asking the provider, or of looking.
#[derive(Default)]
pub(super) struct Seen {
    /// How the operation ended that was asked for.
    pub ended: Option<(Uuid, End)>,
    /// What a look shows, where there was one: nothing, if the provider has no such payment.
    pub look: Option<Option<Shown>>,
    /// When to go on, if not at once.
    pub pause: Option<Duration>,
}

impl Seen {
    /// Whether nobody asked and nobody looked.
    pub(super) fn is_nothing(&self) -> bool {
        self.ended.is_none() && self.look.is_none()
    }
}

/// Asks the provider for an operation; gives what came of it.
pub(super) async fn deliver(
    orders: &Orders,
    attempts: i32,
    (payment, operation, trial): &(Payment, Operation, Option<Trial>),
) -> Seen {
    failure_point::reached(before_call(operation.kind)).await;
    let call = orders.payments.providers.perform(payment, operation, trial.as_ref());
    let answer = traced(payment, operation.kind.as_str(), call).await;
    failure_point::reached(after_call(operation.kind)).await;
    let status = |status| End { status, error_code: None, provider_ref: None };
    let not_sent = match operation.status {
        OperationStatus::Prepared => status(OperationStatus::Prepared),
        _ => status(OperationStatus::Unknown),
    };
    let ended = |end| Seen { ended: Some((operation.id, end)), ..Seen::default() };
    match answer {
        Answer::Done(Outcome::Payment(shown)) => {
            Seen { look: Some(Some(shown)), ..ended(status(OperationStatus::Succeeded)) }
        }
        // What was done is not what was asked for, or the answer is wrong.
        Answer::Done(Outcome::Refund(refund)) if refund.amount != operation.amount => {
            judge(orders, attempts, payment, operation, None, false).await
        }
        Answer::Done(Outcome::Refund(refund)) => {
            ended(End { provider_ref: Some(refund.id), ..status(refund.state.of_operation()) })
        }
        Answer::NotSent(why) => {
            tracing::debug!(payment = %payment.id, operation = %operation.id, why, "not sent");
            Seen { pause: Some(pause(attempts)), ..ended(not_sent) }
        }
        Answer::Later(time) => Seen { pause: Some(time), ..ended(not_sent) },
        Answer::Refused(code) => judge(orders, attempts, payment, operation, Some(&code), false).await,
        Answer::Failed(why) => {
            tracing::warn!(payment = %payment.id, operation = %operation.id, why, "the provider failed");
            judge(orders, attempts, payment, operation, None, true).await
        }
        Answer::Unknown(why) => {
            tracing::warn!(payment = %payment.id, operation = %operation.id, why, "nobody knows whether it was done");
            judge(orders, attempts, payment, operation, None, false).await
        }
    }
}

/// What became of an operation that the provider did not say it had done: a look tells. A refusal is believed after the look only:
/// what is done already is refused, too.
async fn judge(
    orders: &Orders,
    attempts: i32,
    payment: &Payment,
    operation: &Operation,
    refusal: Option<&str>,
    failed: bool,
) -> Seen {
    let later = Some(pause(attempts));
    let seen = |status, code: Option<&str>, shown: Option<Shown>, pause| {
        let end = End { status, error_code: code.map(str::to_owned), provider_ref: None };
        Seen { ended: Some((operation.id, end)), look: shown.map(Some), pause }
    };
    let Answer::Done(shown) = orders.payments.providers.look(payment).await else {
        return seen(OperationStatus::Unknown, None, None, later);
    };
    match (operation.judged(shown.as_ref(), failed, OffsetDateTime::now_utc()), refusal) {
        (Some(OperationStatus::Refused), None) => seen(OperationStatus::Refused, Some(PROVIDER_ERROR), shown, later),
        (Some(status), _) => seen(status, refusal, shown, None),
        (None, Some(code)) => seen(OperationStatus::Refused, Some(code), shown, None),
        (None, None) => seen(OperationStatus::Unknown, None, shown, later),
    }
}

/// Looks at a payment; gives what it shows.
pub(super) async fn look(orders: &Orders, attempts: i32, payment: &Payment) -> Seen {
    match traced(payment, "LOOK", orders.payments.providers.look(payment)).await {
        Answer::Done(shown) => Seen { look: Some(shown), ..Seen::default() },
        Answer::Later(time) => Seen { pause: Some(time), ..Seen::default() },
        _ => Seen { pause: Some(pause(attempts)), ..Seen::default() },
    }
}

/// Looks at a payment now, because somebody says that there is something to see.
pub async fn look_now(orders: &Orders, payment: &Payment) -> Result<Option<Shown>, Error> {
    match traced(payment, "LOOK", orders.payments.providers.look(payment)).await {
        Answer::Done(shown) => Ok(shown),
        Answer::Later(_) => {
            Err(payments::Error::ProviderAway("the provider takes no more calls for a moment".to_owned()).into())
        }
        Answer::NotSent(why) | Answer::Unknown(why) | Answer::Failed(why) => {
            Err(payments::Error::ProviderAway(format!("the provider of the payment cannot be asked: {why}")).into())
        }
        Answer::Refused(code) => {
            Err(payments::Error::ProviderAway(format!("the provider does not show the payment: {code}")).into())
        }
    }
}

/// Asks a provider, in a span of its own where the trace at hand is recorded.
async fn traced<Done>(payment: &Payment, what: &str, call: impl Future<Output = Done>) -> Done {
    let cause = telemetry::current_traceparent();
    let span = Span::under(cause.as_deref(), traces::Kind::Client, || format!("payment {}", what.to_lowercase()));
    match span {
        Some(mut span) => {
            span.text("oms.payment.id", payment.id.to_string());
            span.text("oms.payment.provider", payment.provider.as_str());
            telemetry::within(Some(span.traceparent()), call).await
        }
        None => call.await,
    }
}

/// The failure point before a call.
fn before_call(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Create => "before-create-call",
        OperationKind::Confirm => "before-confirm-call",
        OperationKind::Capture => "before-capture-call",
        OperationKind::Void => "before-void-call",
        OperationKind::Refund => "before-refund-call",
    }
}

/// The failure point after it.
fn after_call(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Create => "after-create-call",
        OperationKind::Confirm => "after-confirm-call",
        OperationKind::Capture => "after-capture-call",
        OperationKind::Void => "after-void-call",
        OperationKind::Refund => "after-refund-call",
    }
}

/// How long to wait after so many attempts in vain; up to half as long again, so that not all come back at once.
fn pause(attempts: i32) -> Duration {
    let seconds = 1_u64.checked_shl(attempts.clamp(0, 20).unsigned_abs()).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
    Duration::from_millis(fastrand::u64(seconds * 1000..=seconds * 1500))
}
