//! Ends the review of a payment whose provider showed what does not fit.

use super::see::{take_over_capture, tell};
use super::write::write;
use crate::payments::domain::{Amounts, Known, Payment, PaymentStatus, Shown};
use crate::payments::error::Error;
use crate::payments::store;
use shared_types::{OrderId, PaymentId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Takes a payment out of review. The money that the provider shows counts, up to what the payment is for.
pub async fn review(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    (order, order_id): (Reference, OrderId),
    id: PaymentId,
    shown: Option<&Shown>,
) -> Result<Payment, Error> {
    let payment = store::lock(conn, order_id, id).await?.ok_or(Error::UnknownPayment(id))?;
    if payment.status != PaymentStatus::Review {
        return Err(Error::NotAllowed { id, status: payment.status, not: "it is not under review" });
    }
    let mut capture = None;
    let mut known = Known { review: false, ..payment.known() };
    if let Some(shown) = shown {
        let seen = shown.observed.amounts;
        let captured = known.amounts.captured.max(seen.captured.min(payment.amount));
        let authorized = known.amounts.authorized.max(seen.authorized.min(payment.amount)).max(captured);
        known.amounts = Amounts { authorized, captured, released: known.amounts.released };
        let operations = store::operations_of(&mut *conn, &[id]).await?;
        capture = take_over_capture(conn, &payment, &operations, captured).await?;
    }
    let after = write(conn, now, &payment, payment.clone(), &known).await?;
    tell(conn, now, order, &payment, &after, capture.as_ref()).await?;
    Ok(after)
}
