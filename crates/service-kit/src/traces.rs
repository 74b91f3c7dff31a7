//! Traces after OpenTelemetry: spans of what is recorded, sent to a collector by OTLP over HTTP.
//!
//! The sampler decides before a span is made, and its decision is the flag of the trace context. What is not recorded costs
//! a look at that flag; without a collector, not even that. Nothing waits for the collector: a full queue drops spans and
//! counts them.

mod config;
mod context;
mod exporter;
mod otlp;
mod shared;
mod span;

pub use config::TracesConfig;
pub(crate) use context::{Context, sampled_within};
pub(crate) use exporter::Exporter;
pub use shared::Shared;
pub use span::{Kind, Span};

use crate::config::ConfigError;
use crate::lifecycle::StartError;
use otlp::Resource;
use span::Recorded;
use std::sync::OnceLock;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Spans that wait to be sent; one more is dropped. As `OTEL_BSP_MAX_QUEUE_SIZE` has it by default.
const QUEUE: usize = 2048;

/// The last bits of a trace id that is a UUIDv7, which are random. Those before them may be a counter within a millisecond:
/// by them, requests that come together would all be recorded or none.
const RANDOM_BITS: u32 = 32;

/// What records the spans of this process. There is none without a collector.
static TRACER: OnceLock<Tracer> = OnceLock::new();

#[derive(Debug)]
struct Tracer {
    /// Trace ids whose random bits are below this are recorded.
    threshold: u128,
    queue: mpsc::Sender<Recorded>,
}

/// Begins to record, where a collector is configured; gives what sends the spans there.
pub(crate) fn start(config: &TracesConfig, service: &str, version: &str) -> Result<Option<Exporter>, StartError> {
    let Some(url) = config.url()? else { return Ok(None) };
    let (queue, waiting) = mpsc::channel(QUEUE);
    let resource = Resource::new(config.service_name(service), version, Uuid::now_v7().to_string());
    let exporter = Exporter::start(url, config.headers()?, resource, waiting)?;
    let tracer = Tracer { threshold: threshold(config.otel_traces_sampler_arg), queue };
    let twice =
        ConfigError { variable: "OTEL_EXPORTER_OTLP_ENDPOINT", reason: "traces are recorded already".to_owned() };
    TRACER.set(tracer).map_err(|_| twice)?;
    Ok(Some(exporter))
}

/// Whether spans are recorded at all.
pub(crate) fn are_on() -> bool {
    TRACER.get().is_some()
}

/// Whether a trace with this context is recorded, by what began it, and here.
pub fn is_recorded(traceparent: &str) -> bool {
    are_on() && Context::parse_sampled(traceparent).is_some()
}

/// Whether a trace that begins here is recorded.
pub(crate) fn records_new(trace: u128) -> bool {
    TRACER.get().is_some_and(|tracer| is_below(trace, tracer.threshold))
}

fn threshold(ratio: f64) -> u128 {
    (ratio * 2_f64.powi(RANDOM_BITS.cast_signed())) as u128
}

fn is_below(trace: u128, threshold: u128) -> bool {
    trace & ((1 << RANDOM_BITS) - 1) < threshold
}

/// Hands a span over, or drops and counts it.
fn record(span: Recorded) {
    let Some(tracer) = TRACER.get() else { return };
    if tracer.queue.try_send(span).is_err() {
        metrics::counter!("traces_dropped_total", "reason" => "queue_full").increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::{is_below, threshold};
    use uuid::Uuid;

    #[test]
    fn a_ratio_of_the_traces_is_recorded() {
        let recorded = |ratio| {
            let threshold = threshold(ratio);
            (0..20_000).filter(|_| is_below(Uuid::now_v7().as_u128(), threshold)).count()
        };
        assert_eq!((recorded(0.0), recorded(1.0)), (0, 20_000));
        let tenth = recorded(0.1);
        assert!((1_750..2_250).contains(&tenth), "{tenth}");
        assert!(is_below(0, threshold(0.000_001)) && !is_below(u128::MAX, threshold(0.999_999)));
    }
}
