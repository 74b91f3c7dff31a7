//! Logs, request ids, W3C trace context and metrics: what lets an operator follow one request.

use crate::access::audit;
use crate::config::{LogFormat, ServerConfig};
use crate::measures;
use crate::panics;
use crate::slow_statements::SlowStatements;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use metrics::Histogram;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Instant;
use tracing::Instrument;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use uuid::Uuid;

/// Upper bounds of the latency histogram, in seconds.
const LATENCY_BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Upper bounds of the histograms of batch sizes.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

// Names are read letter by letter when they are made, so these are made once.
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACE_HEADER: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    static TRACEPARENT: String;
}

/// The trace context of the request that is being served, for events and calls it causes.
pub fn current_traceparent() -> Option<String> {
    TRACEPARENT.try_with(Clone::clone).ok()
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
        LogFormat::Text => filtered.with(log).try_init(),
        LogFormat::Json => filtered.with(log.json().flatten_event(true)).try_init(),
    }?;
    panics::log_them();
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("batch_size".to_owned()), &BATCH_BUCKETS)?
        .install_recorder()?;
    measures::announce(measures::OF_EVERY_SERVICE);
    Ok(metrics)
}

/// Gives a request its id and trace context, serves it, logs its outcome and measures it.
pub async fn observe(request: Request, serve: impl AsyncFnOnce(Request) -> Response) -> Response {
    let started = Instant::now();
    let id = Uuid::now_v7();
    let request_id = request.headers().get(&X_REQUEST_ID).filter(|id| is_request_id(id)).cloned();
    let request_id =
        request_id.or_else(|| HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())).ok());
    let incoming = request.headers().get(&TRACE_HEADER).and_then(|value| value.to_str().ok());
    let traceparent = child_traceparent(incoming, id);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let label = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    // The route, not the path: in a path there may be an e-mail address.
    let span = tracing::info_span!(
        "request",
        method = method_label(&method),
        route = label,
        request_id = request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default(),
        trace_id = traceparent.get(3..35).unwrap_or_default(),
    );
    let serving = TRACEPARENT.scope(traceparent, serve(request)).instrument(span.clone());
    let mut response = serving.await;
    let seconds = started.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    if let Some(id) = request_id {
        response.headers_mut().insert(&X_REQUEST_ID, id);
    }
    span.in_scope(|| {
        let milliseconds = (seconds * 1000.0).round();
        if status >= 500 {
            tracing::warn!(status, milliseconds, "answered");
        } else {
            tracing::debug!(status, milliseconds, "answered");
        }
    });
    record_duration(label, &method, status, seconds);
    response
}

/// Counts a request that could not be read, so that no layer saw it.
pub(crate) fn count_unread(status: u16) {
    record_duration("unmatched", &Method::CONNECT, status, 0.0);
}

/// Whether an id of a client can be taken over: what the log and the answer show the same.
fn is_request_id(id: &HeaderValue) -> bool {
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// The histograms of a route, by method and status: there are few.
type Durations = Vec<(&'static str, u16, Histogram)>;

thread_local! {
    /// By route: to look a histogram up in the registry, with its labels, costs more than to record.
    static REQUEST_DURATIONS: RefCell<BTreeMap<String, Durations>> = RefCell::default();
}

fn record_duration(route: &str, method: &Method, status: u16, seconds: f64) {
    let method = method_label(method);
    REQUEST_DURATIONS.with_borrow_mut(|routes| {
        let known = routes.get(route).into_iter().flatten();
        if let Some((_, _, histogram)) = known.clone().find(|known| (known.0, known.1) == (method, status)) {
            return histogram.record(seconds);
        }
        let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        let histogram = metrics::histogram!("http_request_duration_seconds", &labels);
        histogram.record(seconds);
        routes.entry(route.to_owned()).or_default().push((method, status, histogram));
    });
}

/// A client may make methods up: they share one label.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The trace context for what this request, of this id, causes: the caller's trace with a new span, or a new trace, which
/// has the id of the request.
///
/// After W3C Trace Context: `00-<32 hex trace id>-<16 hex span id>-<2 hex flags>`. Nothing here samples traces, so a new one
/// is not marked as sampled.
fn child_traceparent(incoming: Option<&str>, id: Uuid) -> String {
    let mut own = Uuid::encode_buffer();
    let own: &str = id.simple().encode_lower(&mut own);
    // The random half of a UUIDv7, which is never zero.
    let span = own.get(16..).unwrap_or_default();
    let (trace, flags) = incoming.and_then(trace_and_flags).unwrap_or((own, "00"));
    ["00-", trace, "-", span, "-", flags].concat()
}

/// The flags that are known, as they are passed on: sampled, and (in level 2) that the trace id is random.
const KNOWN_FLAGS: [&str; 4] = ["00", "01", "02", "03"];

/// Trace id and flags of a valid `traceparent`. A later version than ours may say more behind them.
fn trace_and_flags(traceparent: &str) -> Option<(&str, &str)> {
    let mut parts = traceparent.splitn(5, '-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let id = |text: &str, length| hex(text, length) && text.bytes().any(|b| b != b'0');
    let version_is_known = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    if !version_is_known || !id(trace, 32) || !id(parent, 16) || !hex(flags, 2) {
        return None;
    }
    let flags = usize::from_str_radix(flags, 16).ok()?;
    Some((trace, KNOWN_FLAGS.get(flags % KNOWN_FLAGS.len())?))
}

#[cfg(test)]
mod tests {
    use super::{child_traceparent, is_request_id};
    use axum::http::HeaderValue;
    use uuid::Uuid;

    #[test]
    fn a_request_id_is_visible_ascii() {
        let is = |bytes: &[u8]| is_request_id(&HeaderValue::from_bytes(bytes).unwrap());
        assert!(is(b"my-request-7") && is(&[b'~'; 128]) && is(b"\"{}\""));
        for bad in [&b""[..], "\u{fc}".as_bytes(), b"a\tb", b"a b", b"\xff", &[b'a'; 129]] {
            assert!(!is(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_decision_of_the_sampler_is_passed_on() {
        let child = |flags| {
            let incoming = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            child_traceparent(Some(&incoming), Uuid::now_v7())[53..].to_owned()
        };
        assert_eq!([child("00"), child("01"), child("02"), child("ff")], ["00", "01", "02", "03"]);
    }

    #[test]
    fn a_later_version_may_say_more() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let child = |incoming: String| child_traceparent(Some(&incoming), Uuid::now_v7());
        assert!(child(format!("cc-{trace}-00f067aa0ba902b7-01-more-of-it")).contains(trace));
        assert!(!child(format!("00-{trace}-00f067aa0ba902b7-01-more")).contains(trace));
        assert!(!child(format!("ff-{trace}-00f067aa0ba902b7-01")).contains(trace));
    }

    #[test]
    fn the_trace_goes_on_with_a_new_span() {
        let incoming = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let child = child_traceparent(Some(incoming), Uuid::now_v7());
        assert_eq!(child.len(), 55);
        assert!(child.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert_ne!(child, incoming);
    }

    #[test]
    fn what_is_no_trace_context_starts_a_new_trace() {
        let bad = [
            "",
            "nonsense",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\"<",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-xy-z-01",
        ];
        for incoming in bad.map(Some).into_iter().chain([None]) {
            let id = Uuid::now_v7();
            let fresh = child_traceparent(incoming, id);
            assert_eq!(fresh.len(), 55, "{fresh}");
            assert!(fresh.ends_with("-00"));
            assert_eq!(fresh[3..35], id.simple().to_string());
        }
        let new = || child_traceparent(None, Uuid::now_v7());
        assert_ne!(new()[..35], new()[..35]);
    }
}
