//! Commits reservations, and nothing else, in fewer statements than [`change`](super::change).

use super::change::announcement;
use crate::reservations::domain::changes::Change;
use crate::reservations::error::Error;
use crate::reservations::store;
use crate::schema::OUTBOX;
use shared_types::Reference;
use shared_types::reservations::ReservationStatus;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Commits the reservations that are HELD and announces it. One that is released, committed already or unknown stays as
/// it is: the message came late. No product is touched, so no item needs to be looked at.
pub async fn commit(conn: &mut PgConnection, now: OffsetDateTime, commits: &[Change]) -> Result<(), Error> {
    let (from, to) = (ReservationStatus::Held, ReservationStatus::Committed);
    let ids: Vec<Reference> = commits.iter().map(|commit| commit.reference).collect();
    let mut committed = store::advance(conn, &ids, from, to).await?;
    let mut events = Vec::with_capacity(committed.len());
    for commit in commits {
        if committed.remove(&commit.reference) {
            events.extend(announcement(to, commit)?);
        }
    }
    Ok(OUTBOX.enqueue(conn, now, &events).await?)
}
