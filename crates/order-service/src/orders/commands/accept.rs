//! Writes a batch of orders that are to be placed later.

use super::write::{self, Placement};
use crate::orders::error::Error;
use crate::orders::store::accepted::{self, NewQueued};
use service_kit::answer::Answer;
use shared_types::Reference;
use sqlx::PgConnection;
use std::collections::HashMap;
use std::time::Duration;
use time::OffsetDateTime;

/// Writes the orders and queues them; gives the answer of each that was written. Left out are those that exist
/// already. They are announced when they are placed.
pub async fn accept(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    placements: &[Placement<'_>],
    give_up_after: Duration,
) -> Result<HashMap<Reference, Answer>, Error> {
    let written = write::write(conn, now, placements).await?;
    let queued = written.iter().map(|it| NewQueued {
        id: it.order.id,
        traceparent: it.placement.traceparent.as_deref(),
        guard: it.placement.order.guard.as_ref(),
    });
    let queued: Vec<_> = queued.collect();
    accepted::insert(conn, &queued, give_up_after).await?;
    metrics::counter!("orders_accepted_total").increment(queued.len() as u64);
    Ok(write::answers(written))
}
