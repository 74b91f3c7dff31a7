//! EDGE: measures what payments wait for.

use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::payments::{FindingKind, measuring};
use std::sync::Arc;
use time::OffsetDateTime;

/// Shows in the metrics what waits. Silence of a provider counts from the start of this process at the earliest, where nothing
/// was ever heard.
pub async fn measure(orders: Arc<Orders>, started: OffsetDateTime) -> Result<(), Error> {
    let (db, now) = (orders.db.pool(), OffsetDateTime::now_utc());
    let age = |since: Option<OffsetDateTime>| since.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0));
    metrics::gauge!("payments_in_review").set(measuring::in_review(db).await? as f64);
    metrics::gauge!("payments_waiting").set(measuring::waiting(db).await? as f64);
    metrics::gauge!("payment_operations_unknown_seconds").set(age(measuring::unknown_since(db).await?));
    let open = measuring::open_findings(db).await?;
    for kind in FindingKind::ALL {
        let count = open.iter().find(|(of, _)| of == kind).map_or(0, |(_, count)| *count);
        metrics::gauge!("payment_findings_open", "kind" => kind.as_str()).set(count as f64);
    }
    for provider in orders.payments.providers.set_up() {
        let heard = measuring::last_heard(db, provider).await?.unwrap_or(started);
        metrics::gauge!("payment_webhook_age_seconds", "provider" => provider.label()).set(age(Some(heard)));
    }
    Ok(())
}
