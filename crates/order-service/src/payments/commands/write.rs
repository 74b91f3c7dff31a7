//! Writes what is known of the money of a payment: the one way by which its amounts and its status change.

use crate::payments::domain::{Known, Observed, Payment};
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
    write(conn, now, payment, &known, payment.refund_reserved).await
}

/// Writes the sums of the refunds of a locked payment: those that are decided, and those that succeeded.
pub(super) async fn set_refunds(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    payment: &Payment,
    reserved: Money,
    refunded: Money,
) -> Result<Payment, Error> {
    write(conn, now, payment, &Known { refunded, ..payment.known() }, reserved).await
}

async fn write(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    payment: &Payment,
    known: &Known,
    refund_reserved: Money,
) -> Result<Payment, Error> {
    let (from, to) = (payment.status, known.status());
    if from != to && !from.may_become(to) {
        return Err(Error::NotAllowed { id: payment.id, status: from, not: "it cannot go back" });
    }
    let closed = known.is_closed(&payment.terms());
    let changed = Payment {
        status: to,
        authorized: known.amounts.authorized,
        captured: known.amounts.captured,
        released: known.amounts.released,
        refund_reserved,
        refunded: known.refunded,
        closed_at: payment.closed_at.or(closed.then_some(now)),
        ..payment.clone()
    };
    if changed == *payment { Ok(changed) } else { Ok(store::update(conn, &changed).await?) }
}
