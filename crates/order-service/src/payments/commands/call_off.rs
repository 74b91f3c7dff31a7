//! Closes the payments of an order that is cancelled, and has what was taken given back.

use super::see::{give_back, tell};
use super::write::{apply, write_sums};
use super::{ask, lock};
use crate::payments::domain::{Amounts, Attempt, Cause, Closed, Observed, OperationStatus, Payment, PaymentStatus};
use crate::payments::error::Error;
use crate::payments::store::{self, Move};
use shared_types::{Money, OrderId, PaymentId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Closes the open payment of a cancelled order and reserves what was taken for its refund; gives the payment that was opened
/// last, as it is then. What was taken at the door waits for people to pay it out; a provider is asked afterwards. One that is
/// under review stays as it is.
pub async fn call_off(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: Reference,
    id: OrderId,
) -> Result<Option<Payment>, Error> {
    let mut latest = None;
    for payment in store::lock_of_order(conn, id).await? {
        let after = if payment.status == PaymentStatus::Review {
            payment
        } else if payment.captured > Money::default() {
            if payment.refundable().is_positive() {
                give_back(conn, &payment, Cause::OrderCancelled).await?;
                write_sums(conn, now, &payment).await?
            } else {
                payment
            }
        } else if payment.closed_at.is_some() {
            payment
        } else if payment.provider.can_close() && ask::may_be_known(conn, &payment).await? {
            ask::close(conn, &payment, Cause::OrderCancelled).await?;
            store::queue::hint(conn, payment.id, payment.order_id).await?;
            payment
        } else {
            void(conn, now, order, &payment).await?
        };
        latest = latest.or(Some(after));
    }
    Ok(latest)
}

/// Calls a payment off by hand, of which no money was taken. Gives it where its provider has to close it.
pub async fn void_by_hand(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    (order, order_id): (Reference, OrderId),
    id: PaymentId,
) -> Result<Option<Payment>, Error> {
    let payment = lock(conn, order_id, id).await?;
    if !payment.is_payable() {
        let not = "only a payment that is open, and of which nothing was taken, can be called off";
        return Err(Error::NotAllowed { id, status: payment.status, not });
    }
    if payment.provider.can_close() && ask::may_be_known(conn, &payment).await? {
        ask::close(conn, &payment, Cause::Manual).await?;
        return Ok(Some(payment));
    }
    void(conn, now, order, &payment).await?;
    Ok(None)
}

/// Closes a locked payment of which no money was taken, in our books: no provider knows of it, or none closes it. Money that comes
/// all the same goes back.
pub(super) async fn void(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: Reference,
    payment: &Payment,
) -> Result<Payment, Error> {
    for operation in store::open_operations(conn, payment.id).await? {
        store::move_operation(conn, operation.id, Move::to(OperationStatus::Dropped)).await?;
    }
    let terms = payment.terms();
    let observed = Observed {
        reference: terms.reference,
        amount: terms.amount,
        currency: terms.currency,
        amounts: Amounts::default(),
        attempt: Attempt::None,
        closed: Some(Closed::Voided),
    };
    let voided = apply(conn, now, payment, &observed).await?;
    tell(conn, now, order, payment, &voided, None).await?;
    Ok(voided)
}
