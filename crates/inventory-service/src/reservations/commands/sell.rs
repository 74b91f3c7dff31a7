//! Sells stock at once: a reservation that is held and committed in one step, without an order.

use super::{Duplicates, HoldOutcome, change, reserve};
use crate::reservations::domain::changes::{Action, Change};
use crate::reservations::domain::requests::Wanted;
use crate::reservations::error::Error;
use crate::reservations::store;
use shared_types::reservations::Reservation;
use sqlx::PgConnection;
use std::time::Duration;
use time::OffsetDateTime;

/// Sells what is wanted, all lines or none; gives the committed reservation. Fails where it cannot be held.
pub async fn sell(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    window: Duration,
    wanted: Wanted,
) -> Result<Reservation, Error> {
    let commit = Change { reference: wanted.id(), action: Action::Commit, traceparent: wanted.traceparent() };
    if let Some(HoldOutcome::Refused(refusal)) = reserve(conn, now, window, &[wanted], Duplicates::Likely).await?.pop()
    {
        return Err(refusal.into());
    }
    let reference = commit.reference;
    let committed = change(conn, now, &[commit]).await?.pop().ok_or(Error::UnknownReservation(reference))??;
    store::mark_direct(conn, reference).await?;
    Ok(Reservation { direct: true, ..committed })
}
