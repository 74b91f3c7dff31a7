//! Writes what is known of the money of a payment: the one way by which its amounts and its status change.

use crate::payments::domain::{Known, Observed, OperationKind, OperationStatus, Payment};
use crate::payments::error::Error;
use crate::payments::store;
use shared_types::Money;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Applies a look to a locked payment: twice, or after a newer one, it changes nothing.
pub(super) async fn apply(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    payment: &Payment,
    observed: &Observed,
) -> Result<Payment, Error> {
    let known = payment.known().seeing(&payment.terms(), observed);
    write(conn, now, payment, payment.clone(), &known).await
}

/// Writes the sums of the operations of a locked payment that were changed.
pub(super) async fn write_sums(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    payment: &Payment,
) -> Result<Payment, Error> {
    write(conn, now, payment, payment.clone(), &payment.known()).await
}

/// Writes a locked payment, which is `kept` so, as it is `known` to be and with the names in `named`. What was given back, and what is
/// to be, is the sum of its operations.
pub(super) async fn write(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    kept: &Payment,
    named: Payment,
    known: &Known,
) -> Result<Payment, Error> {
    let operations = store::operations_of(&mut *conn, &[kept.id]).await?;
    let refunds = || operations.iter().filter(|operation| operation.kind == OperationKind::Refund);
    let refund_reserved: Money = refunds().filter(|refund| refund.status.is_live()).map(|refund| refund.amount).sum();
    let done = refunds().filter(|refund| refund.status == OperationStatus::Succeeded);
    let known = Known { refunded: done.map(|refund| refund.amount).sum(), ..*known };
    let (from, to) = (kept.status, known.status());
    if from != to && !from.may_become(to) {
        return Err(Error::NotAllowed { id: kept.id, status: from, not: "it cannot go back" });
    }
    let closed = known.is_closed(&kept.terms());
    let changed = Payment {
        status: to,
        authorized: known.amounts.authorized,
        captured: known.amounts.captured,
        released: known.amounts.released,
        refund_reserved,
        refunded: known.refunded,
        closed_at: kept.closed_at.or(closed.then_some(now)),
        ..named
    };
    if changed == *kept { Ok(changed) } else { Ok(store::update(conn, &changed).await?) }
}
