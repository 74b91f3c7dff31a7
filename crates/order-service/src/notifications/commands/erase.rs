//! Erases what was told to somebody, and keeps what is still under way from being told.

use crate::notifications::domain::announced::Announced;
use crate::notifications::domain::erasure::{Erasure, is_erased};
use crate::notifications::store::{self, erasures};
use shared_types::OrderId;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Has those wait who write messages, until the end of the transaction: first of all, so that what they have written is found.
pub async fn hold_up_writers(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    erasures::lock(conn).await
}

/// Erases recipients and texts of all messages to a customer: about their orders, and about the account that has the address
/// with this key. What happened until `now` is not told any more. Gives how many messages it was.
pub async fn erase(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    orders: &[OrderId],
    address_key: &str,
) -> Result<u64, sqlx::Error> {
    erasures::insert(conn, &Erasure::of_customer(address_key, now)).await?;
    store::erase(conn, orders, address_key).await
}

/// Erases those about the account that had the address with this key. What happened to it until `then` is not told any more.
pub async fn erase_account(
    conn: &mut PgConnection,
    then: OffsetDateTime,
    address_key: &str,
) -> Result<u64, sqlx::Error> {
    erasures::insert(conn, &Erasure::of_account(address_key, then)).await?;
    store::erase(conn, &[], address_key).await
}

/// Leaves events out whose customer or person was erased after they happened.
pub(super) async fn leave_out_erased(
    conn: &mut PgConnection,
    events: &mut Vec<Announced<'_>>,
) -> Result<(), sqlx::Error> {
    let Some(first) = events.iter().map(|event| event.time).min() else { return Ok(()) };
    let erasures = erasures::since(conn, first).await?;
    if !erasures.is_empty() {
        events.retain(|event| {
            let erased = is_erased(&erasures, event);
            if erased {
                tracing::info!(event = %event.event_id, "nobody is told: who was to be has been erased since it happened");
            }
            !erased
        });
    }
    Ok(())
}
