//! Gives money back by hand.

use super::see::refunded;
use super::{held::Held, lock};
use crate::payments::domain::{Cause, Operation, OperationKind, OperationStatus, PaidOutBy, Payment, not_through};
use crate::payments::error::Error;
use crate::payments::store::{Move, NewOperation};
use crate::schema::OUTBOX;
use service_kit::validation::FieldErrors;
use shared_types::{Money, OrderId, PaymentId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// A refund that somebody decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refund<'a> {
    /// How much. Where it is none: all that can be given back, or by hand all that did not go through.
    pub amount: Option<Money>,
    /// Why.
    pub reason: &'a str,
    /// Who says so.
    pub by: &'a str,
    /// Whether people have paid it out, also where a provider took the money.
    pub paid_out: Option<PaidOutBy>,
}

/// Notes that money taken at the door was paid out, or has a provider give money back. What waits to be paid out at the door,
/// because the order was cancelled, is paid first and as a whole. What a provider took is paid out by hand only where a refund did not
/// go through. Never more than was taken: the balance is reserved with the operation. `order` is the reference of the order.
pub async fn refund(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    (order, order_id): (Reference, OrderId),
    id: PaymentId,
    refund: Refund<'_>,
) -> Result<(Held, Operation), Error> {
    let mut held = lock(conn, order_id, id).await?;
    let at_the_door = held.payment().provider.is_on_delivery();
    let waits = |operation: &&Operation| operation.status == OperationStatus::Accepted && at_the_door;
    let waiting = held.refunds().find(waits).cloned();
    let operation = match waiting {
        Some(waiting) => pay_out(conn, &mut held, &waiting, refund).await?,
        None if refund.paid_out.is_some() && !at_the_door => paid_out(conn, &mut held, refund).await?,
        None => {
            let payment = held.payment();
            let amount = refund.amount.unwrap_or_else(|| payment.refundable());
            if !amount.is_positive() || amount > payment.refundable() {
                return Err(Error::RefundExceedsPayment(payment.refundable()));
            }
            check_least(payment, amount)?;
            write_down(conn, &mut held, amount, refund).await?
        }
    };
    held.write_sums(conn, now).await?;
    OUTBOX.enqueue(conn, now, refunded(order, held.payment(), &operation)?.as_slice()).await?;
    Ok((held, operation))
}

/// Refuses what the provider would not give back, and what would leave less than that to be given back later.
fn check_least(payment: &Payment, amount: Money) -> Result<(), Error> {
    let Some(least) = payment.provider.least_refund() else { return Ok(()) };
    let left = payment.refundable() - amount;
    let fault = |must: String| Err(FieldErrors::one("amount", must).into());
    if amount < least {
        fault(format!("must be at least {least}, the least that {} gives back", payment.provider))
    } else if left.is_positive() && left < least {
        fault(format!("must leave nothing, or at least {least}: {} gives no less back", payment.provider))
    } else {
        Ok(())
    }
}

async fn pay_out(
    conn: &mut PgConnection,
    held: &mut Held,
    waiting: &Operation,
    refund: Refund<'_>,
) -> Result<Operation, Error> {
    if refund.amount.is_some_and(|amount| amount != waiting.amount) {
        let must = format!("must be {}, which waits to be paid out", waiting.amount);
        return Err(FieldErrors::one("amount", must).into());
    }
    let (reason, made_by) = (Some(refund.reason), Some(refund.by));
    let done = Move { reason, made_by, ..Move::to(OperationStatus::Succeeded) };
    Ok(held.advance(conn, waiting.id, done).await?)
}

/// Notes that people have paid out what the provider could not give back.
async fn paid_out(conn: &mut PgConnection, held: &mut Held, refund: Refund<'_>) -> Result<Operation, Error> {
    let payment = held.payment();
    let most = payment.refundable().min(not_through(held.operations()));
    if !most.is_positive() {
        let not = "no refund of it that did not go through is left to be paid out by hand";
        return Err(Error::NotAllowed { id: payment.id, status: payment.status, not });
    }
    let amount = refund.amount.unwrap_or(most);
    if amount > most {
        return Err(Error::RefundExceedsPayment(most));
    }
    Ok(held.insert_by_hand(conn, &new(amount, OperationStatus::Succeeded, refund)).await?)
}

async fn write_down(
    conn: &mut PgConnection,
    held: &mut Held,
    amount: Money,
    refund: Refund<'_>,
) -> Result<Operation, Error> {
    let at_the_door = held.payment().provider.is_on_delivery();
    let status = if at_the_door { OperationStatus::Succeeded } else { OperationStatus::Prepared };
    Ok(held.insert(conn, &new(amount, status, refund)).await?)
}

fn new<'r>(amount: Money, status: OperationStatus, refund: Refund<'r>) -> NewOperation<'r> {
    NewOperation {
        kind: OperationKind::Refund,
        amount,
        status,
        cause: Cause::Manual,
        cause_id: None,
        reason: Some(refund.reason),
        made_by: refund.by,
        trial: None,
        provider_ref: None,
    }
}
