//! Ends the review of a payment whose provider showed what does not fit.

use super::held::Held;
use super::see::{take_over_capture, tell};
use crate::payments::domain::{Amounts, Known, PaymentStatus, Shown};
use crate::payments::error::Error;
use crate::payments::store::reviews;
use shared_types::{OrderId, PaymentId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Takes a payment out of review. The money that the provider shows counts, up to what the payment is for, and the same is not put to
/// review again.
pub async fn review(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    (order, order_id): (Reference, OrderId),
    id: PaymentId,
    shown: Option<&Shown>,
) -> Result<Held, Error> {
    let mut held = Held::lock(conn, order_id, id).await?.ok_or(Error::UnknownPayment(id))?;
    let payment = held.payment();
    if payment.status != PaymentStatus::Review {
        return Err(Error::NotAllowed { id, status: payment.status, not: "it is not under review" });
    }
    if let Some(shown) = shown {
        if !payment.fits(shown) {
            reviews::insert_payment(conn, id, &shown.provider_id, &shown.observed).await?;
        }
        reviews::insert_refunds(conn, id, shown.refunds.as_deref().unwrap_or_default()).await?;
    }
    let mut capture = None;
    let mut known = Known { review: false, ..payment.known() };
    if let Some(shown) = shown {
        let seen = shown.observed.amounts;
        let captured = known.amounts.captured.max(seen.captured.min(payment.amount));
        let authorized = known.amounts.authorized.max(seen.authorized.min(payment.amount)).max(captured);
        // What was taken counts, also where an attempt before it had gone back.
        let released = known.amounts.released.min(authorized - captured);
        known.amounts = Amounts { authorized, captured, released };
        capture = take_over_capture(conn, &mut held, captured).await?;
    }
    let before = held.write(conn, now, held.payment().clone(), &known).await?;
    tell(conn, now, order, &before, held.payment(), capture.as_ref()).await?;
    Ok(held)
}
