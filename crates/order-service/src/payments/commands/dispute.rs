//! Notes that a customer asks the bank for the money of a payment back.

use super::see::note;
use crate::payments::domain::{Dispute, FindingKind};
use crate::payments::error::Error;
use crate::payments::store;
use shared_types::{OrderId, PaymentId};
use sqlx::PgConnection;

/// Writes a dispute down for people, once, with the amount that the provider's event names. It moves no money here: the bank
/// decides, and a refund beside it would pay twice.
pub async fn note_dispute(
    conn: &mut PgConnection,
    order: OrderId,
    id: PaymentId,
    dispute: &Dispute,
) -> Result<(), Error> {
    let Some(payment) = store::find(&mut *conn, order, id).await? else { return Ok(()) };
    let amounts = (None, Some(dispute.amount));
    let detail = "the customer disputes the payment; the amount is that of the event";
    note(conn, &payment, FindingKind::Dispute, &dispute.id, amounts, detail).await
}
