//! Notes that something happened to a payment whose order is archived.

use super::see::note;
use crate::payments::domain::FindingKind;
use crate::payments::error::Error;
use crate::payments::store;
use shared_types::{OrderId, PaymentId};
use sqlx::PgConnection;

/// Writes down for people, once, that a payment was to be looked at whose order is archived. Nobody here looks at it any more.
pub async fn note_archived(conn: &mut PgConnection, order: OrderId, id: PaymentId) -> Result<(), Error> {
    let found = store::find(&mut *conn, order, id).await?;
    let Some(payment) = found.filter(|payment| !payment.provider.is_on_delivery()) else { return Ok(()) };
    let object = payment.provider_id.clone().unwrap_or_else(|| payment.reference.to_string());
    let (amounts, detail) = ((Some(payment.captured), None), "something happened to it, and its order is archived");
    note(conn, &payment, FindingKind::Status, &object, amounts, detail).await
}
