//! EDGE: what is long over is forgotten.

use super::state::Sessions;
use super::store;
use crate::guesses;
use service_kit::workers::Workers;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// How often old rows are deleted.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// How often quiet networks are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Starts the jobs.
pub fn jobs(workers: &Workers, sessions: &Arc<Sessions>) {
    let forgetting = sessions.clone();
    workers.every("forget old sessions", FORGET_EVERY, move || {
        let sessions = forgetting.clone();
        async move {
            let now = OffsetDateTime::now_utc();
            store::forget_old(sessions.db.pool(), now).await?;
            guesses::forget_old(sessions.db.pool(), now).await
        }
    });
    let sweeping = sessions.limits.clone();
    workers.every("forget quiet networks", SWEEP_EVERY, move || {
        sweeping.sweep();
        async { Ok::<_, sqlx::Error>(()) }
    });
}
