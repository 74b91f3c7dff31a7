//! Closes the payments of an order that is cancelled, and has what was taken given back.

use super::event;
use super::write::{apply, set_refunds};
use crate::payments::domain::{
    Amounts, Attempt, Cause, Closed, Observed, OperationKind, OperationStatus, Payment, PaymentStatus,
};
use crate::payments::error::Error;
use crate::payments::store::{self, NewOperation};
use crate::schema::OUTBOX;
use shared_types::events::PaymentVoided;
use shared_types::{Money, OrderId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Who has money given back because an order is cancelled.
const BY: &str = "order-service";

/// Closes the open payment of a cancelled order and reserves what was taken for its refund; gives the payment that was opened
/// last, as it is then. What was taken at the door waits for people to pay it out. One that is under review stays as it is.
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
            give_back(conn, now, &payment).await?
        } else if payment.closed_at.is_none() {
            void(conn, now, order, &payment).await?
        } else {
            payment
        };
        latest = latest.or(Some(after));
    }
    Ok(latest)
}

/// Closes a locked payment of which no money was taken.
pub(super) async fn void(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: Reference,
    payment: &Payment,
) -> Result<Payment, Error> {
    if !payment.provider.is_on_delivery() {
        return Err(Error::PaymentOpen);
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
    OUTBOX.enqueue(conn, now, &[event(PaymentVoided, order, &voided, voided.amount, None)?]).await?;
    Ok(voided)
}

async fn give_back(conn: &mut PgConnection, now: OffsetDateTime, payment: &Payment) -> Result<Payment, Error> {
    let amount = payment.refundable();
    if !amount.is_positive() {
        return Ok(payment.clone());
    }
    let operation = NewOperation {
        payment: payment.id,
        provider: payment.provider,
        kind: OperationKind::Refund,
        amount,
        status: OperationStatus::Accepted,
        cause: Cause::OrderCancelled,
        cause_id: Some(payment.reference),
        reason: None,
        made_by: BY,
    };
    store::insert_operation(conn, &operation).await?;
    set_refunds(conn, now, payment, payment.refund_reserved + amount, payment.refunded).await
}
