//! Commits reservations, and nothing else, in fewer statements than [`change`](super::change).

use super::change::announcement;
use crate::reservations::domain::changes::Change;
use crate::reservations::error::Error;
use crate::reservations::store;
use crate::schema::OUTBOX;
use service_kit::outbox::Event;
use shared_types::Reference;
use shared_types::events::{ReservationChanged, ReservationRefused};
use shared_types::reservations::ReservationStatus;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Commits the reservations that are HELD and announces it. One that is committed already or unknown stays as it is: the
/// message came late. One that is released stays so, and its order is told. No product is touched, so no item needs to be
/// looked at.
pub async fn commit(conn: &mut PgConnection, now: OffsetDateTime, commits: &[Change]) -> Result<(), Error> {
    let (from, to) = (ReservationStatus::Held, ReservationStatus::Committed);
    let ids: Vec<Reference> = commits.iter().map(|commit| commit.reference).collect();
    let mut committed = store::advance(conn, &ids, from, to).await?;
    let (mut events, mut late) = (Vec::with_capacity(committed.len()), Vec::new());
    for commit in commits {
        if committed.remove(&commit.reference) {
            events.extend(announcement(to, commit)?);
        } else {
            late.push(commit);
        }
    }
    OUTBOX.enqueue(conn, now, &events).await?;
    refuse(conn, now, &late).await
}

/// Tells the orders of those commits whose reservation is released that they have no stock.
pub async fn refuse(conn: &mut PgConnection, now: OffsetDateTime, commits: &[&Change]) -> Result<(), Error> {
    if commits.is_empty() {
        return Ok(());
    }
    let ids: Vec<Reference> = commits.iter().map(|commit| commit.reference).collect();
    let released = store::released(conn, &ids).await?;
    let refused = commits.iter().filter(|commit| released.contains(&commit.reference));
    let event = |commit: &&Change| {
        let data = ReservationRefused(ReservationChanged { reference: commit.reference });
        Ok(Event::new(&data)?.caused_by(commit.traceparent.clone()))
    };
    let events = refused.map(event).collect::<Result<Vec<_>, Error>>()?;
    Ok(OUTBOX.enqueue(conn, now, &events).await?)
}
