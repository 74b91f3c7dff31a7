//! Closes the payments of an order that is cancelled, and has what was taken given back.

use super::see::{give_back, tell};
use super::{ask, held::Held, lock};
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
    for mut held in Held::lock_all(conn, id).await? {
        let payment = held.payment();
        let (is_paid, is_open) = (payment.captured > Money::default(), payment.closed_at.is_none());
        if payment.status == PaymentStatus::Review {
            // Somebody has to look at it first.
        } else if is_paid && payment.refundable().is_positive() {
            give_back(conn, now, &mut held, Cause::OrderCancelled).await?;
        } else if !is_paid && is_open && payment.provider.can_close() && held.may_be_known() {
            ask::close(conn, &mut held, Cause::OrderCancelled).await?;
            store::queue::hint(conn, held.payment().id, id).await?;
        } else if !is_paid && is_open {
            void(conn, now, order, &mut held).await?;
        }
        latest = latest.or_else(|| Some(held.payment().clone()));
    }
    Ok(latest)
}

/// Calls a payment off by hand, of which no money was taken. Gives it where its provider has to close it. Not one at the door: no
/// time is set for that, and its order would wait for ever.
pub async fn void_by_hand(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    (order, order_id): (Reference, OrderId),
    id: PaymentId,
) -> Result<Option<Held>, Error> {
    let mut held = lock(conn, order_id, id).await?;
    if !held.payment().is_payable() {
        let not = "only a payment that is open, and of which nothing was taken, can be called off";
        return Err(Error::NotAllowed { id, status: held.payment().status, not });
    }
    if held.payment().provider.is_on_delivery() {
        let not = "it is paid at the door; cancel the order, or open a payment by another method";
        return Err(Error::NotAllowed { id, status: held.payment().status, not });
    }
    if held.payment().provider.can_close() && held.may_be_known() {
        ask::close(conn, &mut held, Cause::Manual).await?;
        return Ok(Some(held));
    }
    void(conn, now, order, &mut held).await?;
    Ok(None)
}

/// Closes a payment of which no money was taken, in our books: no provider knows of it, or none closes it. Money that comes all the
/// same goes back.
pub(super) async fn void(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: Reference,
    held: &mut Held,
) -> Result<(), Error> {
    for operation in held.open().map(|operation| operation.id).collect::<Vec<_>>() {
        held.advance(conn, operation, Move::to(OperationStatus::Dropped)).await?;
    }
    let terms = held.payment().terms();
    let observed = Observed {
        reference: terms.reference,
        amount: terms.amount,
        currency: terms.currency,
        amounts: Amounts::default(),
        attempt: Attempt::None,
        closed: Some(Closed::Voided),
    };
    let before = held.apply(conn, now, &observed).await?;
    tell(conn, now, order, &before, held.payment(), None).await
}
