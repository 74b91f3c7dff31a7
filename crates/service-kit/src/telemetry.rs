//! Logs, request ids, W3C trace context and metrics: what lets an operator follow one request. Spans are in `traces`.

mod json_lines;
mod quick_fields;
mod requests;

pub(crate) use self::requests::{Lines, Watched, count_unread, method_label, observe, seconds};

use crate::access::audit;
use crate::config::{LogFormat, ServerConfig};
use crate::measures;
use crate::panics;
use crate::slow_statements::SlowStatements;
use json_lines::JsonLines;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use quick_fields::{Form, QuickFields};
use std::io::IsTerminal;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{DefaultFields, JsonFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Upper bounds of the latency histogram, in seconds.
const LATENCY_BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Upper bounds of the histograms of batch sizes.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

tokio::task_local! {
    static TRACEPARENT: String;
}

/// The trace context of the request that is being served, for events and calls it causes.
pub fn current_traceparent() -> Option<String> {
    TRACEPARENT.try_with(Clone::clone).ok()
}

/// Does `work` in a trace: for events and calls that no request at hand causes.
pub async fn within<T>(traceparent: Option<String>, work: impl Future<Output = T>) -> T {
    match traceparent {
        Some(traceparent) => TRACEPARENT.scope(traceparent, work).await,
        None => work.await,
    }
}

/// Why logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `RUST_LOG` cannot be read.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The log is set up already.
    #[error("log: {0}")]
    Log(#[from] tracing_subscriber::util::TryInitError),
    /// Metrics are set up already.
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Sets up the log and the metrics of the process; gives what `/metrics` is rendered from.
pub fn start(config: &ServerConfig) -> Result<PrometheusHandle, TelemetryError> {
    let filter = config.log_filter.parse::<Targets>()?.with_target(audit::TARGET, LevelFilter::INFO);
    let log = tracing_subscriber::fmt::layer().with_ansi(std::io::stdout().is_terminal());
    let filtered = tracing_subscriber::registry().with(filter).with(SlowStatements);
    match config.log_format {
        LogFormat::Text => {
            let fields = QuickFields { form: Form::Text, others: DefaultFields::new() };
            filtered.with(log.fmt_fields(fields)).try_init()
        }
        LogFormat::Json => {
            let fields = QuickFields { form: Form::Json, others: JsonFields::new() };
            filtered.with(log.event_format(JsonLines).fmt_fields(fields)).try_init()
        }
    }?;
    panics::log_them();
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("batch_size".to_owned()), &BATCH_BUCKETS)?
        .install_recorder()?;
    measures::announce(measures::OF_EVERY_SERVICE);
    Ok(metrics)
}
