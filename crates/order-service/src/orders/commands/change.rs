//! Changes one locked order: its status, and what can be patched.

use super::{API, pay, status_event};
use crate::orders::domain::{Explanation, Order, OrderPatch};
use crate::orders::error::Error;
use crate::orders::store::{self, NewStatus, accepted};
use crate::schema::OUTBOX;
use shared_types::{OrderStatus, Transition};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Changes the status of `order` for somebody who asks for it by the API, as `change_status_by` does.
pub async fn change_status(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: &Order,
    to: OrderStatus,
    explanation: Explanation,
) -> Result<(), Error> {
    change_status_by(API, conn, now, order, to, explanation).await
}

/// Changes the status of `order`, which the caller has locked, writes its timeline and announces it.
///
/// The same status again is no change. Fails where the life of an order does not allow it; an order that is not placed
/// yet, or has to be paid first, can be cancelled and nothing else. Only its payment makes an order PAID.
pub(super) async fn change_status_by(
    actor: &'static str,
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: &Order,
    to: OrderStatus,
    explanation: Explanation,
) -> Result<(), Error> {
    let Transition::To(status) = order.status.transition(to)? else { return Ok(()) };
    if status == OrderStatus::Paid {
        return Err(Error::PaidByHand(order.id));
    }
    if status != OrderStatus::Cancelled && order.payment_is_due() {
        return Err(Error::PaymentRequired(order.id));
    }
    if order.total_amount.is_none() {
        if status != OrderStatus::Cancelled {
            return Err(Error::NotPlacedYet(order.id));
        }
        accepted::remove(conn, &[order.id]).await?;
    }
    let event = status_event(order, status, explanation.reason.clone())?;
    store::set_statuses(conn, &[NewStatus { id: order.id, status, actor, explanation }]).await?;
    match status {
        OrderStatus::Cancelled => pay::call_off(conn, now, order).await?,
        OrderStatus::Shipped | OrderStatus::Delivered => pay::capture(conn, order).await?,
        _ => {}
    }
    OUTBOX.enqueue(conn, now, &[event]).await?;
    metrics::counter!("order_status_changes_total", "status" => status.as_str()).increment(1);
    Ok(())
}

/// Patches `order`, which the caller has locked. What is as the patch wants it is no change.
///
/// Fails once the order has left the house or was cancelled. No event of its own: the next one carries what changed.
pub async fn patch(conn: &mut PgConnection, order: &Order, patch: OrderPatch) -> Result<(), Error> {
    let Some(field) = patch.first_field() else { return Ok(()) };
    match order.status {
        OrderStatus::Pending | OrderStatus::Paid | OrderStatus::Confirmed => {}
        status => return Err(Error::FieldIsFinal(field, status)),
    }
    if let Some(changed) = patch.changed(order) {
        store::set_patchable(conn, order.id, &changed).await?;
    }
    Ok(())
}
