//! Counts the slow statements that sqlx tells of in the log: it has no other way to ask for them.

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where sqlx logs statements. Those that took longer than a second are warnings, and nothing else is.
const TARGET: &str = "sqlx::query";

/// Counts them. What the filter of the log hides is not seen here either.
pub(crate) struct SlowStatements;

impl<S: Subscriber> Layer<S> for SlowStatements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN && event.metadata().target() == TARGET {
            metrics::counter!("database_slow_statements_total").increment(1);
        }
    }
}
