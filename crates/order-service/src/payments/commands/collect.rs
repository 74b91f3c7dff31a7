//! Notes that the money of an order was collected at the door.

use super::lock;
use super::see::tell;
use crate::payments::domain::{Amounts, Attempt, Cause, Observed, Operation, OperationKind, OperationStatus, Payment};
use crate::payments::error::Error;
use crate::payments::store::NewOperation;
use service_kit::validation::FieldErrors;
use shared_types::{Money, OrderId, PaymentId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Notes that all that is owed was collected. What people say of money at the door is what is known of it, so their word is
/// the look. `order` is the reference of the order.
pub async fn collect(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    (order, order_id): (Reference, OrderId),
    id: PaymentId,
    amount: Option<Money>,
    (reason, by): (Option<&str>, &str),
) -> Result<(Payment, Operation), Error> {
    let mut held = lock(conn, order_id, id).await?;
    let payment = held.payment();
    if payment.captured > Money::default() {
        return Err(Error::AlreadyPaid(id));
    }
    if payment.closed_at.is_some() || !payment.provider.is_on_delivery() {
        let not = "only what is to be paid at the door can be collected";
        return Err(Error::NotAllowed { id, status: payment.status, not });
    }
    if amount.is_some_and(|amount| amount != payment.amount) {
        return Err(FieldErrors::one("amount", format!("must be {}, which is all that is owed", payment.amount)).into());
    }
    let terms = payment.terms();
    let amounts = Amounts { authorized: terms.amount, captured: terms.amount, released: Money::default() };
    let operation = NewOperation {
        kind: OperationKind::Capture,
        amount: terms.amount,
        status: OperationStatus::Succeeded,
        cause: Cause::Checkout,
        cause_id: Some(terms.reference),
        reason,
        made_by: by,
        trial: None,
        provider_ref: None,
    };
    let operation = held.insert(conn, &operation).await?;
    let observed = Observed {
        reference: terms.reference,
        amount: terms.amount,
        currency: terms.currency,
        amounts,
        attempt: Attempt::None,
        closed: None,
    };
    let before = held.apply(conn, now, &observed).await?;
    tell(conn, now, order, &before, held.payment(), Some(&operation)).await?;
    Ok((held.payment().clone(), operation))
}
