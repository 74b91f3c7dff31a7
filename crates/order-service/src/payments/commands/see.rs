//! Applies what a provider shows of a payment: the one way by which its money moves in our tables.

use super::{BY, event, held::Held, moved};
use crate::payments::domain::{
    Cause, Closed, FindingKind, Known, Operation, OperationKind, OperationStatus, PROVIDER_ERROR, Payment,
    PaymentStatus, RefundState, Shown, ShownRefund,
};
use crate::payments::error::Error;
use crate::payments::store::findings::{self, NewFinding};
use crate::payments::store::{self, Move, NewOperation, reviews};
use crate::schema::OUTBOX;
use service_kit::outbox::Event;
use shared_types::events::{
    MoneyMoved, PaymentAuthorized, PaymentCaptured, PaymentFailed, PaymentReview, PaymentVoided, RefundFailed,
    RefundSucceeded,
};
use shared_types::{Money, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Applies a look to a payment; twice, or after a newer one, it changes nothing. `order` is the reference of the order, `is_wanted`
/// whether that still is to be paid, and `is_latest` whether by this payment.
///
/// What was done there past this service is taken into our books. Money that nobody waits for any more goes back: that of an
/// order which is cancelled, and that of a payment which was closed without any. Where only the promise ran out, the customer may
/// pay again until another payment takes its place. What does not fit moves nothing: somebody has to look at it. Once they have
/// decided, the same counts, up to what the payment is for.
pub async fn see(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    (order, is_wanted, is_latest): (Reference, bool, bool),
    held: &mut Held,
    shown: &Shown,
) -> Result<(), Error> {
    let mut events = Vec::new();
    let payment = held.payment().clone();
    let mut seen = match payment.fits(shown) {
        true => payment.known().seeing(&payment.terms(), &shown.observed),
        false => see_misfit(conn, &payment, shown).await?,
    };
    let room = seen.amounts.captured;
    let capture = take_over_capture(conn, held, room).await?;
    for refund in shown.refunds.iter().flatten() {
        if !see_refund(conn, held, refund, room, (order, &mut events)).await? {
            seen.review = true;
        }
    }
    // A look still shows the attempt before one that the provider refused to begin.
    let error_code = match payment.status {
        _ if seen.amounts.authorized.is_positive() => None,
        PaymentStatus::Failed => payment.error_code.clone(),
        _ => shown.error_code.clone().or_else(|| payment.error_code.clone()),
    };
    let named = Payment {
        provider_id: payment.provider_id.clone().or_else(|| Some(shown.provider_id.clone())),
        provider_payment_id: shown.provider_payment_id.clone().or_else(|| payment.provider_payment_id.clone()),
        error_code,
        ..payment.clone()
    };
    held.write(conn, now, named, &seen).await?;
    if is_wanted && payment.status == PaymentStatus::Authorized && Closed::of(held.payment().status).is_some() {
        // Its order goes on with what was promised.
        let amounts = (Some(payment.authorized), Some(Money::default()));
        note(conn, &payment, FindingKind::Status, &shown.provider_id, amounts, "promised money went back untaken")
            .await?;
    }
    // What was to go back once is owed to nobody, also where its refund was refused.
    let was_late = held.refunds().any(|it| it.cause == Cause::Late);
    // Another payment is opened only where no money is on those before.
    let was_closed = Closed::of(payment.status) == Some(Closed::Voided) || !is_latest;
    let comes_late = !is_wanted || was_late || was_closed;
    if comes_late && held.payment().status != PaymentStatus::Review && held.payment().refundable().is_positive() {
        match did_not_go_back(held) {
            None => {
                let cause = if is_wanted { Cause::Late } else { Cause::OrderCancelled };
                give_back(conn, now, held, cause).await?;
            }
            Some(OperationStatus::Refused) => {
                let amounts = (Some(held.payment().refundable()), None);
                let detail = "a refund of what nobody is owed was refused";
                note(conn, held.payment(), FindingKind::Status, &shown.provider_id, amounts, detail).await?;
            }
            Some(_) => {}
        }
    }
    OUTBOX.enqueue(conn, now, &events).await?;
    tell(conn, now, order, &payment, held.payment(), capture.as_ref()).await
}

/// What is known of a payment once its provider shows what does not fit.
async fn see_misfit(conn: &mut PgConnection, payment: &Payment, shown: &Shown) -> Result<Known, Error> {
    let (known, terms) = (payment.known(), payment.terms());
    if known.review {
        return Ok(known);
    }
    let decided = reviews::of_payment(conn, payment.id, &shown.provider_id).await?;
    if decided.iter().any(|reviewed| reviewed.covers(&shown.observed)) {
        return Ok(known.seeing(&terms, &shown.observed.within(&terms)));
    }
    let (ours, theirs) = (Some(payment.amount), Some(shown.observed.amount));
    let detail = "the reference, the currency or the amounts are not those of the payment";
    note(conn, payment, FindingKind::Amount, &shown.provider_id, (ours, theirs), detail).await?;
    Ok(Known { review: true, ..known })
}

/// How a refund ended that was decided by itself and did not last: asked again, it would end so again, and people have to look.
/// One that the provider only failed to make says nothing.
fn did_not_go_back(held: &Held) -> Option<OperationStatus> {
    let by_itself = held.refunds().filter(|it| matches!(it.cause, Cause::Late | Cause::OrderCancelled));
    let mut ends = by_itself.filter(|it| it.error_code.as_deref() != Some(PROVIDER_ERROR)).map(|it| it.status);
    ends.find(|status| matches!(status, OperationStatus::Refused | OperationStatus::Reversed))
}

/// Decides that all that can be given back of a payment is.
pub(super) async fn give_back(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    held: &mut Held,
    cause: Cause,
) -> Result<(), Error> {
    // More may be free later, such as what another refund was to take: that goes back by one of its own.
    let is_first = !held.refunds().any(|it| it.cause == cause && it.status.is_live());
    let payment = held.payment();
    let (id, order, at_the_door) = (payment.id, payment.order_id, payment.provider.is_on_delivery());
    let operation = NewOperation {
        kind: OperationKind::Refund,
        amount: payment.refundable(),
        status: if at_the_door { OperationStatus::Accepted } else { OperationStatus::Prepared },
        cause,
        cause_id: is_first.then_some(payment.reference),
        reason: None,
        made_by: BY,
        trial: None,
        provider_ref: None,
    };
    held.insert(conn, &operation).await?;
    if !at_the_door {
        store::queue::hint(conn, id, order).await?;
    }
    held.write_sums(conn, now).await?;
    Ok(())
}

/// Money that was taken there and is in no operation of ours is in one now: the provider took it with the customer's word.
pub(super) async fn take_over_capture(
    conn: &mut PgConnection,
    held: &mut Held,
    captured: Money,
) -> Result<Option<Operation>, Error> {
    let is_done = |it: &&Operation| it.kind == OperationKind::Capture && it.status == OperationStatus::Succeeded;
    let of_ours = held.operations().iter().filter(is_done);
    let missing = captured - of_ours.clone().map(|operation| operation.amount).sum();
    if !missing.is_positive() {
        return Ok(None);
    }
    let is_first = of_ours.count() == 0;
    let operation = NewOperation {
        kind: OperationKind::Capture,
        amount: missing,
        status: OperationStatus::Succeeded,
        cause: if is_first { Cause::Checkout } else { Cause::External },
        cause_id: is_first.then_some(held.payment().reference),
        reason: None,
        made_by: BY,
        trial: None,
        provider_ref: None,
    };
    Ok(Some(held.insert(conn, &operation).await?))
}

/// Applies a refund that is shown; gives whether it fits, or somebody has decided about it.
async fn see_refund(
    conn: &mut PgConnection,
    held: &mut Held,
    refund: &ShownRefund,
    captured: Money,
    (order, events): (Reference, &mut Vec<Event>),
) -> Result<bool, Error> {
    let is_it = |operation: &&Operation| {
        let ours = refund.operation == Some(operation.id) && operation.status.is_live();
        ours || operation.provider_ref.as_deref() == Some(refund.id.as_str())
    };
    let Some(operation) = held.refunds().find(is_it).cloned() else {
        return adopt(conn, held, refund, captured, (order, events)).await;
    };
    if operation.amount != refund.amount && !is_decided(conn, held, refund).await? {
        let amounts = (Some(operation.amount), Some(refund.amount));
        let detail = "a refund of another amount than was asked for";
        note(conn, held.payment(), FindingKind::Amount, &refund.id, amounts, detail).await?;
        return Ok(false);
    }
    let Some(to) = refund.state.moves(operation.status) else { return Ok(true) };
    let step = Move { provider_ref: Some(&refund.id), ..Move::to(to) };
    let moved = held.advance(conn, operation.id, step).await?;
    if to == OperationStatus::Reversed {
        let amounts = (Some(operation.amount), Some(Money::default()));
        let detail = "a refund failed after it had succeeded";
        note(conn, held.payment(), FindingKind::Status, &refund.id, amounts, detail).await?;
    }
    events.extend(refunded(order, held.payment(), &moved)?);
    Ok(true)
}

/// Whether somebody has decided about a refund that does not fit.
async fn is_decided(conn: &mut PgConnection, held: &Held, refund: &ShownRefund) -> Result<bool, sqlx::Error> {
    reviews::has_refund(conn, held.payment().id, &refund.id, refund.amount).await
}

/// Takes a refund over that was made there, past this service. One of more than can go back is taken over as far as that, once
/// somebody has decided about it.
async fn adopt(
    conn: &mut PgConnection,
    held: &mut Held,
    refund: &ShownRefund,
    captured: Money,
    (order, events): (Reference, &mut Vec<Event>),
) -> Result<bool, Error> {
    if refund.state == RefundState::Failed {
        return Ok(true);
    }
    let detail = "a refund that was made at the provider";
    note(conn, held.payment(), FindingKind::ThereOnly, &refund.id, (None, Some(refund.amount)), detail).await?;
    let live: Money = held.refunds().filter(|it| it.status.is_live()).map(|operation| operation.amount).sum();
    let room = captured - live;
    if refund.amount > room && !is_decided(conn, held, refund).await? {
        return Ok(false);
    }
    let amount = refund.amount.min(room);
    if !amount.is_positive() {
        return Ok(true);
    }
    let operation = NewOperation {
        kind: OperationKind::Refund,
        amount,
        status: refund.state.of_operation(),
        cause: Cause::External,
        cause_id: None,
        reason: None,
        made_by: BY,
        trial: None,
        provider_ref: Some(&refund.id),
    };
    let adopted = held.insert(conn, &operation).await?;
    events.extend(refunded(order, held.payment(), &adopted)?);
    Ok(true)
}

/// Notes that the provider refused to take what is promised, unless that is called off.
pub(super) async fn note_untaken(conn: &mut PgConnection, held: &Held) -> Result<(), Error> {
    if held.operations().iter().any(|it| it.kind == OperationKind::Void && it.status.is_live()) {
        return Ok(());
    }
    let payment = held.payment();
    let object = payment.provider_id.as_deref().unwrap_or_default();
    let amounts = (Some(payment.authorized), Some(payment.captured));
    note(conn, payment, FindingKind::Status, object, amounts, "promised money was refused when it was to be taken")
        .await
}

/// Writes something down that does not fit.
pub(super) async fn note(
    conn: &mut PgConnection,
    payment: &Payment,
    kind: FindingKind,
    object: &str,
    (ours, theirs): (Option<Money>, Option<Money>),
    detail: &str,
) -> Result<(), Error> {
    tracing::warn!(payment = %payment.id, kind = kind.as_str(), object, detail, "the provider's books are not ours");
    let (provider, payment) = (payment.provider, Some(payment.id));
    findings::insert(conn, &NewFinding { kind, provider, payment, object, ours, theirs, detail }).await?;
    Ok(())
}

/// What is told of a refund that came to its end.
pub(super) fn refunded(order: Reference, payment: &Payment, operation: &Operation) -> Result<Option<Event>, Error> {
    Ok(match operation.status {
        OperationStatus::Succeeded => {
            metrics::counter!("refunds_succeeded_total", "cause" => operation.cause.as_str()).increment(1);
            Some(event(RefundSucceeded, order, payment, operation.amount, Some(operation))?)
        }
        OperationStatus::Refused | OperationStatus::Reversed => {
            metrics::counter!("refunds_failed_total", "cause" => operation.cause.as_str()).increment(1);
            Some(event(RefundFailed, order, payment, operation.amount, Some(operation))?)
        }
        _ => None,
    })
}

/// Tells of a payment that changed, and counts it. `capture` is the operation by which money came in.
pub(super) async fn tell(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: Reference,
    before: &Payment,
    after: &Payment,
    capture: Option<&Operation>,
) -> Result<(), Error> {
    let (mut events, method) = (Vec::new(), after.method.as_str());
    if after.captured > before.captured {
        let provider = after.provider.label();
        metrics::counter!("payments_captured_total", "method" => method, "provider" => provider).increment(1);
        let came = moved(order, after, after.captured - before.captured, capture);
        events.push(Event::new(&PaymentCaptured(MoneyMoved { goes_back: !after.refundable().is_positive(), ..came }))?);
    }
    if before.status != after.status {
        let amount = after.amount;
        match after.status {
            PaymentStatus::Authorized => events.push(event(PaymentAuthorized, order, after, after.authorized, None)?),
            PaymentStatus::Failed => {
                metrics::counter!("payments_failed_total", "method" => method).increment(1);
                events.push(event(PaymentFailed, order, after, amount, None)?);
            }
            PaymentStatus::Voided | PaymentStatus::Expired => {
                events.push(event(PaymentVoided, order, after, amount, None)?);
            }
            PaymentStatus::Review => events.push(event(PaymentReview, order, after, amount, None)?),
            _ => {}
        }
    }
    Ok(OUTBOX.enqueue(conn, now, &events).await?)
}
