//! Gives money back by hand.

use super::write::set_refunds;
use super::{event, lock};
use crate::payments::domain::{Cause, Operation, OperationKind, OperationStatus, Payment};
use crate::payments::error::Error;
use crate::payments::store::{self, NewOperation};
use crate::schema::OUTBOX;
use service_kit::validation::FieldErrors;
use shared_types::events::RefundSucceeded;
use shared_types::{Money, OrderId, PaymentId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// A refund that somebody decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refund<'a> {
    /// How much; all that can be given back where it is none.
    pub amount: Option<Money>,
    /// Why.
    pub reason: &'a str,
    /// Who says so.
    pub by: &'a str,
}

/// Notes that money taken at the door was paid out. What waits to be paid out, because the order was cancelled, is paid first
/// and as a whole. Never more than was taken: the balance is reserved with the operation. `order` is the reference of the order.
pub async fn refund(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    (order, order_id): (Reference, OrderId),
    id: PaymentId,
    refund: Refund<'_>,
) -> Result<(Payment, Operation), Error> {
    let payment = lock(conn, order_id, id).await?;
    let operations = store::operations_of(&mut *conn, &[id]).await?;
    let waits = |operation: &&Operation| {
        operation.kind == OperationKind::Refund && operation.status.may_become(OperationStatus::Succeeded)
    };
    let (operation, reserved) = match operations.iter().find(waits) {
        Some(waiting) => (pay_out(conn, waiting, refund).await?, payment.refund_reserved),
        None => {
            let amount = refund.amount.unwrap_or_else(|| payment.refundable());
            if !amount.is_positive() || amount > payment.refundable() {
                return Err(Error::RefundExceedsPayment(payment.refundable()));
            }
            (write_down(conn, &payment, amount, refund).await?, payment.refund_reserved + amount)
        }
    };
    let refunded = payment.refunded + operation.amount;
    let payment = set_refunds(conn, now, &payment, reserved, refunded).await?;
    let event = event(RefundSucceeded, order, &payment, operation.amount, Some(&operation))?;
    OUTBOX.enqueue(conn, now, &[event]).await?;
    metrics::counter!("refunds_succeeded_total", "cause" => operation.cause.as_str()).increment(1);
    Ok((payment, operation))
}

async fn pay_out(conn: &mut PgConnection, waiting: &Operation, refund: Refund<'_>) -> Result<Operation, Error> {
    if refund.amount.is_some_and(|amount| amount != waiting.amount) {
        let must = format!("must be {}, which waits to be paid out", waiting.amount);
        return Err(FieldErrors::one("amount", must).into());
    }
    let done = OperationStatus::Succeeded;
    Ok(store::move_operation(conn, waiting.id, done, Some(refund.reason), refund.by).await?)
}

async fn write_down(
    conn: &mut PgConnection,
    payment: &Payment,
    amount: Money,
    refund: Refund<'_>,
) -> Result<Operation, Error> {
    let operation = NewOperation {
        payment: payment.id,
        provider: payment.provider,
        kind: OperationKind::Refund,
        amount,
        status: OperationStatus::Succeeded,
        cause: Cause::Manual,
        cause_id: None,
        reason: Some(refund.reason),
        made_by: refund.by,
    };
    Ok(store::insert_operation(conn, &operation).await?)
}
