//! EDGE: takes what is decided about payments to their providers, and looks at those that somebody has to look at.
//!
//! Nothing is asked in a transaction. What is to be asked is noted as SENT first, under the key by which the provider does it
//! once; what came of it is noted afterwards, in one transaction with what follows for the order and what is asked next. If the
//! process dies in between, the payment is due again when its lease ends, and the same is asked under the same key. So two workers
//! on one payment at once do no harm.

mod again;
mod alone;
mod calls;

pub use alone::AtWork;

pub use calls::look_now;
use calls::{Seen, deliver, look};

use crate::failure_point;
use crate::orders::commands::pay::{self, Expiry};
use crate::orders::domain::Order;
use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::orders::store;
use crate::payments::queue::{self, AtWork as Queued, QUEUE};
use crate::payments::{self, Capture, Cause, End, Held, Next, Operation, OperationStatus};
use service_kit::access::Scope;
use service_kit::telemetry;
use service_kit::work_queue::{Claimed, TIME_TO_RECORD, WorkQueue};
use shared_types::{OrderId, OrderStatus, PaymentId};
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

/// A payment that this process works on.
#[derive(Clone, Copy, Debug)]
struct Job {
    payment: PaymentId,
    order: OrderId,
    /// When it is another's turn.
    leased_until: OffsetDateTime,
    /// How often it was looked at in vain.
    attempts: i32,
}

/// A payment taken for this process, with what is to be done first.
#[derive(Debug)]
pub struct Taken {
    job: Job,
    first: Next,
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
                work_on(&orders, Job { payment, order, leased_until, attempts: work.attempts }, None).await?;
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

/// Takes a payment for this process within the transaction that decides something about it, and notes that what is first of it is
/// asked; [`at_once`] then works on it.
pub async fn take(orders: &Orders, conn: &mut PgConnection, held: &mut Held) -> Result<Taken, Error> {
    let (payment, order) = (held.payment().id, held.payment().order_id);
    let leased_until = queue::take(conn, payment, order, lease(orders)).await?;
    let first = payments::next(conn, OffsetDateTime::now_utc(), held).await?;
    Ok(Taken { job: Job { payment, order, leased_until, attempts: 0 }, first })
}

/// Works on a payment whose customer waits, and returns when that is done, or takes too long to wait for. It goes on also
/// when the customer goes away.
pub async fn at_once(orders: &Arc<Orders>, taken: Taken) {
    let (orders, cause) = (orders.clone(), telemetry::current_traceparent());
    let work = async move {
        let payment = taken.job.payment;
        if let Err(error) = work_on(&orders, taken.job, Some(taken.first)).await {
            tracing::warn!(%payment, %error, "a payment is due again when its lease ends");
        }
    };
    let work = tokio::spawn(telemetry::within(cause, work));
    let _waited = tokio::time::timeout(PATIENCE, work).await;
}

/// What was tried already.
struct Tried {
    /// The last answer showed the payment as a whole. That to a refund shows the refund only.
    looked: bool,
    /// What the provider did not close or take is asked for another time, not at once again.
    may_ask: bool,
}

/// Works on a payment. One at a time in this process: those who come meanwhile wait without a connection, and find done what they
/// came for.
async fn work_on(orders: &Orders, job: Job, first: Option<Next>) -> Result<(), Error> {
    let alone = orders.at_work.alone(job.payment).await;
    let mut tried = Tried { looked: false, may_ask: true };
    // Whoever waited finds another first.
    let mut next = match first.filter(|_| !alone.waited()) {
        Some(send @ Next::Send(_)) => send,
        _ => go_on(orders, job, &mut tried, Seen::default()).await?,
    };
    for _ in 0..STEPS {
        let seen = match next {
            Next::Send(send) => deliver(orders, job.attempts, &send).await,
            Next::Look(payment) => look(orders, job.attempts, &payment).await,
            Next::Nothing => return Ok(()),
        };
        next = go_on(orders, job, &mut tried, seen).await?;
    }
    queue::put_off(orders.db.pool(), job.payment, job.leased_until, OffsetDateTime::now_utc(), job.attempts).await?;
    Ok(())
}

/// Notes what was seen, in one transaction with what follows for the order; and decides what is to be done next, which is noted, too.
/// Nothing: it was put off, or needs no more.
async fn go_on(orders: &Orders, job: Job, tried: &mut Tried, seen: Seen) -> Result<Next, Error> {
    let now = OffsetDateTime::now_utc();
    let mut transaction = orders.db.begin().await?;
    let Some((mut order, mut held)) = lock(&mut transaction, job).await? else {
        // Its order is archived: nothing is moved for that any more.
        payments::note_archived(&mut transaction, job.order, job.payment).await?;
        queue::remove(&mut *transaction, job.payment, job.leased_until).await?;
        orders.db.commit(transaction).await?;
        return Ok(Next::Nothing);
    };
    let was = order.status;
    if !seen.is_nothing() {
        tried.looked = seen.look.is_some();
    }
    settle(&mut transaction, now, &mut order, &mut held, &seen).await?;
    let next = match seen.pause {
        Some(pause) => {
            let (next, attempts) = (now + pause, job.attempts.saturating_add(1));
            queue::put_off(&mut *transaction, job.payment, job.leased_until, next, attempts).await?;
            Next::Nothing
        }
        None if order.status == OrderStatus::Cancelled && was != order.status => {
            // Its payments were called off with it.
            decide(&mut transaction, now, job, tried, None).await?
        }
        None => decide(&mut transaction, now, job, tried, Some((order, held))).await?,
    };
    if !seen.is_nothing() {
        failure_point::reached("before-outcome-commit").await;
    }
    orders.db.commit(transaction).await?;
    if !seen.is_nothing() {
        failure_point::reached("after-outcome-commit").await;
    }
    Ok(next)
}

/// Notes how an operation ended and what was seen, where somebody looked, and what follows for the order.
async fn settle(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: &mut Order,
    held: &mut Held,
    seen: &Seen,
) -> Result<(), Error> {
    let Seen { ended, look, .. } = seen;
    if let Some((operation, end)) = ended {
        payments::end(conn, now, order.reference, held, *operation, end).await?;
    }
    if let Some(shown) = look {
        // What else waits for an answer may have been done, too.
        let asked = held.open().filter(|operation| operation.status != OperationStatus::Prepared);
        let judged = |operation: &Operation| Some((operation.id, operation.judged(shown.as_ref(), false, now)?));
        for (operation, status) in asked.filter_map(judged).collect::<Vec<_>>() {
            let end = End { status, error_code: None, provider_ref: None };
            payments::end(conn, now, order.reference, held, operation, &end).await?;
        }
    }
    match look.as_ref().and_then(Option::as_ref) {
        Some(shown) => pay::see(conn, now, order, held, shown).await,
        None if !seen.is_nothing() => pay::follow(conn, now, order, Some(held.payment())).await,
        None => Ok(()),
    }
}

async fn lock(conn: &mut PgConnection, job: Job) -> Result<Option<(Order, Held)>, Error> {
    let Some(order) = store::lock(conn, Scope::system(), job.order).await? else { return Ok(None) };
    Ok(Held::lock(conn, job.order, job.payment).await?.map(|held| (order, held)))
}

/// Decides what is to be done next about a payment, and notes it: something is asked, it is looked at, or it is put off.
async fn decide(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    job: Job,
    tried: &mut Tried,
    mut locked: Option<(Order, Held)>,
) -> Result<Next, Error> {
    loop {
        let found = match locked.take() {
            Some(found) => Some(found),
            None => lock(conn, job).await?,
        };
        let Some((order, mut held)) = found else { return Ok(Next::Nothing) };
        match payments::next(conn, now, &mut held).await? {
            Next::Look(_) if tried.looked => {}
            Next::Nothing => {}
            next => return Ok(next),
        }
        match rest(conn, now, job, &order, &mut held, tried.may_ask).await? {
            Rest::Again => tried.may_ask = false,
            Rest::Done => return Ok(Next::Nothing),
        }
    }
}

enum Rest {
    /// There is more to do.
    Again,
    /// It was put off, or needs no more.
    Done,
}

/// Decides what is to become of a payment of which nothing is to be sent now, and that was looked at: its order may have waited long
/// enough.
async fn rest(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    job: Job,
    order: &Order,
    held: &mut Held,
    may_ask: bool,
) -> Result<Rest, Error> {
    match pay::expire(conn, now, order, held, may_ask).await? {
        Expiry::NotYet => {}
        Expiry::Closing | Expiry::Cancelled => return Ok(Rest::Again),
    }
    let is_out = matches!(order.status, OrderStatus::Shipped | OrderStatus::Delivered);
    let is_wanted = order.status != OrderStatus::Cancelled;
    let payment = held.payment();
    if may_ask && is_wanted && payment.take_by().is_some_and(|take_by| is_out || take_by <= now) {
        let cause = match payment.capture {
            Capture::Automatic => Cause::Checkout,
            Capture::Manual => Cause::Shipment,
        };
        payments::capture(conn, held, cause).await?;
        return Ok(Rest::Again);
    }
    let is_asked = held.operations().iter().any(|operation| {
        matches!(operation.status, OperationStatus::Accepted | OperationStatus::Unknown | OperationStatus::Sent)
    });
    let is_awaited = order.has_latest(payment) && order.status == OrderStatus::Pending && order.payment_is_due();
    match again::at(payment, order.status, (is_asked, is_awaited), job.attempts, now) {
        Some(next) => queue::put_off(conn, job.payment, job.leased_until, next, job.attempts.saturating_add(1)).await?,
        None => queue::remove(conn, job.payment, job.leased_until).await?,
    }
    Ok(Rest::Done)
}
