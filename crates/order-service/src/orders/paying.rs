//! EDGE: takes what is decided about payments to their providers, and looks at those that somebody has to look at.
//!
//! Nothing is asked in a transaction. What is to be asked is noted as SENT first, under the key by which the provider does it
//! once; what came of it is noted afterwards. If the process dies in between, the payment is due again when its lease ends, and
//! the same is asked under the same key. So two workers on one payment at once do no harm.

mod alone;
mod calls;

pub use alone::AtWork;

use calls::{after_call, before_call, traced};

use crate::failure_point;
use crate::orders::commands::pay::{self, Expiry};
use crate::orders::domain::Order;
use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::orders::store;
use crate::payments::queue::{self, AtWork as Queued, QUEUE};
use crate::payments::{
    self, Answer, Capture, Cause, End, Next, OpenOperation, OperationStatus, Outcome, PROVIDER_ERROR, Payment,
    PaymentStatus, Shown,
};
use service_kit::access::Scope;
use service_kit::telemetry;
use service_kit::work_queue::{Claimed, TIME_TO_RECORD, WorkQueue};
use shared_types::{Money, OrderId, OrderStatus, PaymentId};
use sqlx::PgConnection;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// How often to look for what is due.
const POLL: Duration = Duration::from_millis(250);

/// Payments worked on at the same time, beside those whose customers wait for an answer.
const AT_ONCE: usize = 8;

/// Steps for one payment in a row. More wait for their next turn, so that one cannot keep others waiting.
const STEPS: usize = 12;

/// How long a customer waits for what comes of a call before the payment is shown as it is.
const PATIENCE: Duration = Duration::from_secs(8);

/// When a payment is looked at again of which nothing is heard: webhooks may be late, or never come.
const LOOKS: [time::Duration; 4] =
    [time::Duration::seconds(10), time::Duration::seconds(30), time::Duration::minutes(2), time::Duration::minutes(10)];

/// How often promised money is looked at that nobody takes yet.
const LOOK_AT_PROMISES: time::Duration = time::Duration::hours(6);

/// When a payment is looked at again that is closed here, and that its provider cannot close.
const RARELY: time::Duration = time::Duration::hours(1);

/// When something is asked again whose answer did not come: after a second, then twice as long each time, up to five minutes.
const LONGEST_PAUSE: u64 = 300;

/// A payment that this process works on.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub payment: PaymentId,
    pub order: OrderId,
    /// When it is another's turn.
    leased_until: OffsetDateTime,
    /// How often it was looked at in vain.
    attempts: i32,
}

/// Runs until `shutdown`. What is in hand then is finished.
pub async fn run(orders: Arc<Orders>, shutdown: CancellationToken) {
    let queue = WorkQueue {
        name: "payments",
        table: QUEUE,
        database: orders.db.clone(),
        batch: 1,
        at_once: AT_ONCE,
        claimed: AT_ONCE,
        patience: patience(&orders),
        lease: lease(&orders),
        poll: POLL,
        woken: orders.payments.woken.clone(),
        circuit: None,
    };
    let attempt = move |claimed: Vec<Claimed<Queued>>| {
        let orders = orders.clone();
        async move {
            for Claimed { key, leased_until, work, .. } in claimed {
                let (payment, order) = (PaymentId(key), OrderId(work.order_id));
                work_on(&orders, Job { payment, order, leased_until, attempts: work.attempts }).await?;
            }
            Ok::<_, Error>(())
        }
    };
    queue.run(attempt, shutdown).await;
}

/// A call and two looks at most, each as long as a provider may take.
fn patience(orders: &Orders) -> Duration {
    orders.payments.patience() * 3
}

fn lease(orders: &Orders) -> Duration {
    patience(orders) + TIME_TO_RECORD
}

/// Takes a payment for this process within the transaction that decides something about it; [`at_once`] then works on it.
pub async fn take(orders: &Orders, conn: &mut PgConnection, payment: &Payment) -> Result<Job, Error> {
    let leased_until = queue::take(conn, payment.id, payment.order_id, lease(orders)).await?;
    Ok(Job { payment: payment.id, order: payment.order_id, leased_until, attempts: 0 })
}

/// Works on a payment whose customer waits, and returns when that is done, or takes too long to wait for. It goes on also
/// when the customer goes away.
pub async fn at_once(orders: &Arc<Orders>, job: Job) {
    let (orders, cause) = (orders.clone(), telemetry::current_traceparent());
    let work = async move {
        if let Err(error) = work_on(&orders, job).await {
            tracing::warn!(payment = %job.payment, %error, "a payment is due again when its lease ends");
        }
    };
    let work = tokio::spawn(telemetry::within(cause, work));
    let _waited = tokio::time::timeout(PATIENCE, work).await;
}

/// Whether to go on at once.
enum Flow {
    /// There may be more to do.
    On,
    /// Not before this time has passed.
    Pause(Duration),
}

/// Works on a payment. One at a time in this process: those who come meanwhile wait without a connection, and find done what they
/// came for.
async fn work_on(orders: &Orders, job: Job) -> Result<(), Error> {
    let _alone = orders.at_work.alone(job.payment).await;
    work_alone(orders, job).await
}

async fn work_alone(orders: &Orders, job: Job) -> Result<(), Error> {
    // What the provider did not close or take is asked for another time, not at once again.
    let (mut looked, mut may_ask) = (false, true);
    for _ in 0..STEPS {
        let flow = match next(orders, job).await? {
            Next::Send(payment, operation) => {
                looked = true;
                deliver(orders, job, &payment, &operation).await?
            }
            Next::Look(payment) if !looked => {
                looked = true;
                look(orders, job, &payment).await?
            }
            Next::Look(_) | Next::Nothing => match rest(orders, job, may_ask).await? {
                Rest::Again => {
                    may_ask = false;
                    Flow::On
                }
                Rest::Done => return Ok(()),
            },
        };
        if let Flow::Pause(pause) = flow {
            let next = OffsetDateTime::now_utc() + pause;
            queue::put_off(orders.db.pool(), job.payment, job.leased_until, next, job.attempts.saturating_add(1))
                .await?;
            return Ok(());
        }
    }
    queue::put_off(orders.db.pool(), job.payment, job.leased_until, OffsetDateTime::now_utc(), job.attempts).await?;
    Ok(())
}

async fn next(orders: &Orders, job: Job) -> Result<Next, Error> {
    let mut transaction = orders.db.begin().await?;
    let next = payments::next(&mut transaction, OffsetDateTime::now_utc(), job.order, job.payment).await?;
    orders.db.commit(transaction).await?;
    Ok(next)
}

/// Asks the provider for an operation and notes what came of it.
async fn deliver(orders: &Orders, job: Job, payment: &Payment, operation: &OpenOperation) -> Result<Flow, Error> {
    failure_point::reached(before_call(operation.kind)).await;
    let answer = traced(payment, operation.kind.as_str(), orders.payments.providers.perform(payment, operation)).await;
    failure_point::reached(after_call(operation.kind)).await;
    let status = |status| End { status, error_code: None, provider_ref: None };
    let not_sent = match operation.status {
        OperationStatus::Prepared => status(OperationStatus::Prepared),
        _ => status(OperationStatus::Unknown),
    };
    let (end, shown, flow) = match answer {
        Answer::Done(Outcome::Payment(shown)) => (status(OperationStatus::Succeeded), Some(shown), Flow::On),
        // What was done is not what was asked for, or the answer is wrong.
        Answer::Done(Outcome::Refund(refund)) if refund.amount != operation.amount => {
            judge(orders, job, payment, operation, None, false).await
        }
        Answer::Done(Outcome::Refund(refund)) => {
            let end = End { provider_ref: Some(refund.id), ..status(refund.state.of_operation()) };
            (end, None, Flow::On)
        }
        Answer::NotSent(why) => {
            tracing::debug!(payment = %payment.id, ?operation, why, "not sent");
            (not_sent, None, Flow::Pause(pause(job.attempts)))
        }
        Answer::Later(time) => (not_sent, None, Flow::Pause(time)),
        Answer::Refused(code) => judge(orders, job, payment, operation, Some(&code), false).await,
        Answer::Failed(why) => {
            tracing::warn!(payment = %payment.id, ?operation, why, "the provider failed");
            judge(orders, job, payment, operation, None, true).await
        }
        Answer::Unknown(why) => {
            tracing::warn!(payment = %payment.id, ?operation, why, "nobody knows whether it was done");
            judge(orders, job, payment, operation, None, false).await
        }
    };
    settle(orders, job, Some((operation, &end)), shown.as_ref().map(Some)).await?;
    Ok(flow)
}

/// What became of an operation that the provider did not say it had done: a look tells. A refusal is believed after the look only:
/// what is done already is refused, too.
async fn judge(
    orders: &Orders,
    job: Job,
    payment: &Payment,
    operation: &OpenOperation,
    refusal: Option<&str>,
    failed: bool,
) -> (End, Option<Shown>, Flow) {
    let end = |status, code: Option<&str>| End { status, error_code: code.map(str::to_owned), provider_ref: None };
    let unknown = |shown| (end(OperationStatus::Unknown, None), shown, Flow::Pause(pause(job.attempts)));
    let Answer::Done(shown) = orders.payments.providers.look(payment).await else { return unknown(None) };
    match (operation.judged(shown.as_ref(), failed, OffsetDateTime::now_utc()), refusal) {
        (Some(OperationStatus::Refused), None) => {
            (end(OperationStatus::Refused, Some(PROVIDER_ERROR)), shown, Flow::Pause(pause(job.attempts)))
        }
        (Some(status), _) => (end(status, refusal), shown, Flow::On),
        (None, Some(code)) => (end(OperationStatus::Refused, Some(code)), shown, Flow::On),
        (None, None) => unknown(shown),
    }
}

/// Looks at a payment, and notes what it shows.
async fn look(orders: &Orders, job: Job, payment: &Payment) -> Result<Flow, Error> {
    match traced(payment, "LOOK", orders.payments.providers.look(payment)).await {
        Answer::Done(shown) => {
            settle(orders, job, None, Some(shown.as_ref())).await?;
            Ok(Flow::On)
        }
        Answer::Later(time) => Ok(Flow::Pause(time)),
        _ => Ok(Flow::Pause(pause(job.attempts))),
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

/// Notes how an operation ended and what was seen, where somebody looked, in one transaction with what follows for the order.
async fn settle(
    orders: &Orders,
    job: Job,
    ended: Option<(&OpenOperation, &End)>,
    look: Option<Option<&Shown>>,
) -> Result<(), Error> {
    let now = OffsetDateTime::now_utc();
    let mut transaction = orders.db.begin().await?;
    let Some((order, mut payment)) = lock(&mut transaction, job).await? else { return Ok(()) };
    if let Some((operation, end)) = ended {
        payment = payments::end(&mut transaction, now, order.reference, payment, operation, end).await?;
    }
    // What else waits for an answer may have been done, too.
    for operation in payments::open_operations(&mut transaction, payment.id).await? {
        let is_asked = operation.status != OperationStatus::Prepared;
        if let Some(status) = look.and_then(|shown| operation.judged(shown, false, now)).filter(|_| is_asked) {
            let end = End { status, error_code: None, provider_ref: None };
            payment = payments::end(&mut transaction, now, order.reference, payment, &operation, &end).await?;
        }
    }
    match look.flatten() {
        Some(shown) => pay::see(&mut transaction, now, &order, &payment, shown).await?,
        None => pay::follow(&mut transaction, now, &order).await?,
    }
    failure_point::reached("before-outcome-commit").await;
    orders.db.commit(transaction).await?;
    failure_point::reached("after-outcome-commit").await;
    Ok(())
}

async fn lock(conn: &mut PgConnection, job: Job) -> Result<Option<(Order, Payment)>, Error> {
    let Some(order) = store::lock(conn, Scope::system(), job.order).await? else { return Ok(None) };
    Ok(payments::lock(conn, job.order, job.payment).await?.map(|payment| (order, payment)))
}

enum Rest {
    /// There is more to do.
    Again,
    /// It was put off, or needs no more.
    Done,
}

/// Decides what is to become of a payment of which nothing is to be sent now, and that was looked at: its order may have waited long
/// enough.
async fn rest(orders: &Orders, job: Job, may_ask: bool) -> Result<Rest, Error> {
    let now = OffsetDateTime::now_utc();
    let mut transaction = orders.db.begin().await?;
    let Some((order, payment)) = lock(&mut transaction, job).await? else { return Ok(Rest::Done) };
    match pay::expire(&mut transaction, now, &order, &payment, may_ask).await? {
        Expiry::NotYet => {}
        Expiry::Closing | Expiry::Cancelled => {
            orders.db.commit(transaction).await?;
            return Ok(Rest::Again);
        }
    }
    let is_out = matches!(order.status, OrderStatus::Shipped | OrderStatus::Delivered);
    let is_wanted = order.status != OrderStatus::Cancelled;
    if may_ask && is_wanted && payment.take_by().is_some_and(|take_by| is_out || take_by <= now) {
        payments::capture(&mut transaction, &payment, Cause::Shipment).await?;
        orders.db.commit(transaction).await?;
        return Ok(Rest::Again);
    }
    let operations = payments::operations_of(&mut *transaction, &[payment.id]).await?;
    let is = |status: OperationStatus| operations.iter().any(|operation| operation.status == status);
    let later =
        now + LOOKS.get(usize::try_from(job.attempts).unwrap_or_default()).copied().unwrap_or(LOOKS[LOOKS.len() - 1]);
    let waits_for_money = order.status == OrderStatus::Pending && order.payment_is_due();
    let next = if payment.status == PaymentStatus::Review {
        None
    } else if is(OperationStatus::Accepted) || is(OperationStatus::Unknown) || is(OperationStatus::Sent) {
        Some(later)
    } else if payment.waits_for_capture() && payment.capture == Capture::Manual && is_wanted && !is_out {
        // The goods take their time, and the provider tells of what happens meanwhile.
        payment.take_by().map(|take_by| take_by.min(now + LOOK_AT_PROMISES))
    } else if payment.closed_at.is_none() && payment.provider_id.is_some() {
        Some(payment.pay_by.filter(|pay_by| *pay_by > now).map_or(later, |pay_by| pay_by.min(later)))
    } else if waits_for_money && payment.captured == Money::default() {
        payment.pay_by
    } else if payment.may_come_late(now) {
        let is_new = usize::try_from(job.attempts).unwrap_or_default() < LOOKS.len();
        Some(if is_new { later } else { now + RARELY })
    } else {
        None
    };
    match next {
        Some(next) => {
            queue::put_off(&mut *transaction, job.payment, job.leased_until, next, job.attempts.saturating_add(1))
                .await?
        }
        None => queue::remove(&mut *transaction, job.payment, job.leased_until).await?,
    }
    orders.db.commit(transaction).await?;
    Ok(Rest::Done)
}

/// How long to wait after so many attempts in vain; up to half as long again, so that not all come back at once.
fn pause(attempts: i32) -> Duration {
    let seconds = 1_u64.checked_shl(attempts.clamp(0, 20).unsigned_abs()).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
    Duration::from_millis(fastrand::u64(seconds * 1000..=seconds * 1500))
}
