//! EDGE: what is long over is forgotten.

use super::state::Sessions;
use super::store;
use crate::guesses;
use service_kit::jobs::every;
use service_kit::portions::in_portions;
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
    // At the start as well: a service may be restarted more often than that.
    let forgetting = sessions.clone();
    let forget = move || {
        let sessions = forgetting.clone();
        async move {
            let now = OffsetDateTime::now_utc();
            in_portions(|| store::forget_old(sessions.db.pool(), now)).await.map(|_| ())
        }
    };
    workers.spawn(every("forget old sessions", Duration::ZERO, FORGET_EVERY, workers.token(), forget));
    let forgetting = sessions.clone();
    let forget = move || {
        let sessions = forgetting.clone();
        async move {
            let now = OffsetDateTime::now_utc();
            in_portions(|| guesses::forget_old(sessions.db.pool(), now)).await.map(|_| ())
        }
    };
    workers.spawn(every("forget old guesses", Duration::ZERO, FORGET_EVERY, workers.token(), forget));
    let sweeping = sessions.limits.clone();
    workers.every("forget quiet networks", SWEEP_EVERY, move || {
        sweeping.sweep();
        async { Ok::<_, sqlx::Error>(()) }
    });
}
