//! Takes what was decided to the provider, one call after the other: what to ask for next, and how it ended.

use super::see;
use super::write::{write, write_sums};
use crate::payments::domain::{
    Attempt, Known, OpenOperation, OperationKind, OperationStatus, PROVIDER_ERROR, Payment, PaymentStatus,
};
use crate::payments::error::Error;
use crate::payments::store::{self, Move};
use crate::schema::OUTBOX;
use shared_types::{Money, OrderId, PaymentId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// What whoever works on a payment has to do next.
#[derive(Debug)]
pub enum Next {
    /// To ask the provider for this; it is noted that it is asked.
    Send(Payment, OpenOperation),
    /// To look at it.
    Look(Payment),
    /// Nothing.
    Nothing,
}

/// Notes that the provider is asked for what was decided first of a payment, and gives it. One whose key the provider may have
/// forgotten is looked for only, and nothing is asked for a payment under review.
pub async fn next(conn: &mut PgConnection, now: OffsetDateTime, order: OrderId, id: PaymentId) -> Result<Next, Error> {
    let Some(payment) = store::lock(conn, order, id).await? else { return Ok(Next::Nothing) };
    if payment.status == PaymentStatus::Review {
        return Ok(Next::Look(payment));
    }
    match store::open_operations(conn, id).await?.into_iter().next() {
        Some(operation) if operation.may_be_sent(now) => {
            store::move_operation(conn, operation.id, Move::to(OperationStatus::Sent)).await?;
            Ok(Next::Send(payment, operation))
        }
        Some(_) => Ok(Next::Look(payment)),
        None if payment.provider_id.is_some() => Ok(Next::Look(payment)),
        None => Ok(Next::Nothing),
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

/// Notes how an operation of a locked payment ended. What somebody else has noted meanwhile stays. `order` is the reference of
/// the order.
///
/// A means of payment that was refused, and a payment that the provider would not open, leave the payment FAILED.
pub async fn end(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: Reference,
    payment: Payment,
    operation: &OpenOperation,
    end: &End,
) -> Result<Payment, Error> {
    let operations = store::operations_of(&mut *conn, &[payment.id]).await?;
    let Some(kept) = operations.iter().find(|it| it.id == operation.id) else { return Ok(payment) };
    if !kept.status.may_become(end.status) {
        return Ok(payment);
    }
    let (error_code, provider_ref) = (end.error_code.as_deref(), end.provider_ref.as_deref());
    let moved =
        store::move_operation(conn, operation.id, Move { error_code, provider_ref, ..Move::to(end.status) }).await?;
    let refused = end.status == OperationStatus::Refused;
    match operation.kind {
        OperationKind::Refund => {
            let after = write_sums(conn, now, &payment).await?;
            OUTBOX.enqueue(conn, now, see::refunded(order, &after, &moved)?.as_slice()).await?;
            Ok(after)
        }
        OperationKind::Create | OperationKind::Confirm if refused && payment.authorized == Money::default() => {
            if operation.kind == OperationKind::Create {
                // What was to be done with it cannot be.
                let others = operations.iter().filter(|it| it.id != operation.id);
                for other in others.filter(|it| it.status == OperationStatus::Prepared) {
                    store::move_operation(conn, other.id, Move::to(OperationStatus::Dropped)).await?;
                }
            }
            let known = Known { attempt: Attempt::Failed, ..payment.known() };
            let failed = Payment { error_code: end.error_code.clone(), ..payment.clone() };
            let after = write(conn, now, &payment, failed, &known).await?;
            see::tell(conn, now, order, &payment, &after, None).await?;
            Ok(after)
        }
        OperationKind::Capture if refused && end.error_code.as_deref() != Some(PROVIDER_ERROR) => {
            see::note_untaken(conn, &payment, &operations).await?;
            Ok(payment)
        }
        _ => Ok(payment),
    }
}
