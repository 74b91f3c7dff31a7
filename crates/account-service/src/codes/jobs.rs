//! EDGE: codes that have expired are emptied.

use super::state::Codes;
use super::store;
use service_kit::portions::in_portions;
use service_kit::workers::Workers;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// How often.
const EVERY: Duration = Duration::from_secs(30);

/// Starts the jobs.
pub fn jobs(workers: &Workers, codes: &Arc<Codes>) {
    let codes = codes.clone();
    workers.every("empty expired codes", EVERY, move || {
        let codes = codes.clone();
        async move {
            let now = OffsetDateTime::now_utc();
            in_portions(|| store::empty_expired(codes.db.pool(), now)).await?;
            in_portions(|| store::forget_old(codes.db.pool(), now)).await.map(|_| ())
        }
    });
}
