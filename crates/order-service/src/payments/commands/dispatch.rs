//! Takes what was decided to the provider, one call after the other: what to ask for next, and how it ended.

use super::{held::Held, see};
use crate::payments::domain::{
    Attempt, Known, Operation, OperationKind, OperationStatus, PROVIDER_ERROR, Payment, PaymentStatus, Trial,
};
use crate::payments::error::Error;
use crate::payments::store::Move;
use crate::schema::OUTBOX;
use shared_types::{Money, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// What whoever works on a payment has to do next.
#[derive(Clone, Debug)]
pub enum Next {
    /// To ask the provider for this operation, shown as it was before; it is noted that it is asked.
    Send(Box<(Payment, Operation, Option<Trial>)>),
    /// To look at it.
    Look(Box<Payment>),
    /// Nothing.
    Nothing,
}

/// Notes that the provider is asked for what was decided first of a payment, and gives it. One whose key the provider may have
/// forgotten is looked for only, and nothing is asked for a payment under review.
pub async fn next(conn: &mut PgConnection, now: OffsetDateTime, held: &mut Held) -> Result<Next, Error> {
    let payment = held.payment().clone();
    let first = held.open().next().filter(|_| payment.status != PaymentStatus::Review).cloned();
    match first {
        Some(operation) if operation.may_be_sent(now) => {
            let trial = held.send(conn, operation.id).await?;
            Ok(Next::Send(Box::new((payment, operation, trial))))
        }
        None if payment.provider_id.is_none() && payment.status != PaymentStatus::Review => Ok(Next::Nothing),
        _ => Ok(Next::Look(Box::new(payment))),
    }
}

/// How an operation ended that the provider was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// Where it came to. PREPARED: it was not sent after all. UNKNOWN: nobody knows.
    pub status: OperationStatus,
    /// Why it was refused.
    pub error_code: Option<String>,
    /// The provider's name of what was done.
    pub provider_ref: Option<String>,
}

/// Notes how an operation of a payment ended. What somebody else has noted meanwhile stays. `order` is the reference of the order.
///
/// A means of payment that was refused, and a payment that the provider would not open, leave the payment FAILED.
pub async fn end(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: Reference,
    held: &mut Held,
    operation: Uuid,
    end: &End,
) -> Result<(), Error> {
    let Some(kept) = held.operations().iter().find(|it| it.id == operation) else { return Ok(()) };
    if !kept.status.may_become(end.status) {
        return Ok(());
    }
    let (error_code, provider_ref) = (end.error_code.as_deref(), end.provider_ref.as_deref());
    let moved = held.advance(conn, operation, Move { error_code, provider_ref, ..Move::to(end.status) }).await?;
    let refused = end.status == OperationStatus::Refused;
    match moved.kind {
        OperationKind::Refund => {
            held.write_sums(conn, now).await?;
            OUTBOX.enqueue(conn, now, see::refunded(order, held.payment(), &moved)?.as_slice()).await?;
        }
        OperationKind::Create | OperationKind::Confirm if refused && held.payment().authorized == Money::default() => {
            if moved.kind == OperationKind::Create {
                // What was to be done with it cannot be.
                held.drop_unsent(conn, |_| true).await?;
            }
            let known = Known { attempt: Attempt::Failed, ..held.payment().known() };
            let failed = Payment { error_code: end.error_code.clone(), ..held.payment().clone() };
            let before = held.write(conn, now, failed, &known).await?;
            see::tell(conn, now, order, &before, held.payment(), None).await?;
        }
        OperationKind::Capture if refused && end.error_code.as_deref() != Some(PROVIDER_ERROR) => {
            see::note_untaken(conn, held).await?;
        }
        _ => {}
    }
    Ok(())
}
