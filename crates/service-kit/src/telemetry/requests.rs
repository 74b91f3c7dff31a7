//! What is told of each request: its id and trace context, its line in the log, its span, and how long it took.

use super::TRACEPARENT;
use crate::access::Principal;
use crate::traces::{self, Context, Kind, Span};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use metrics::Histogram;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};
use tracing::Instrument;
use uuid::Uuid;

// Names are read letter by letter when they are made, so these are made once.
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACE_HEADER: HeaderName = HeaderName::from_static("traceparent");

/// What else is known of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched<'a> {
    pub path: &'a str,
    /// Who makes it, once that is known.
    pub principal: &'a OnceLock<Principal>,
    /// Most lines of the log a second about requests of one route, method and status.
    pub lines_per_second: u32,
}

impl Watched<'_> {
    /// Probes and scrapers come every few seconds, and tell nobody anything.
    fn is_quiet(&self) -> bool {
        self.path.starts_with("/health/") || self.path == "/metrics"
    }
}

/// Gives a request its id and trace context, serves it, logs its outcome and measures it.
pub(crate) async fn observe(
    request: Request,
    watched: Watched<'_>,
    serve: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let started = Instant::now();
    let id = Uuid::now_v7();
    let request_id = request.headers().get(&X_REQUEST_ID).filter(|id| is_request_id(id)).cloned();
    let request_id =
        request_id.or_else(|| HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())).ok());
    let (traceparent, parent) = child_traceparent(incoming(request.headers()), id);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let label = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let mut recorded = recorded(&traceparent, parent, watched, &method, label);
    // The route, not the path: in a path there may be an e-mail address.
    let span = tracing::info_span!(
        "request",
        method = method_label(&method),
        route = label,
        request_id = request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default(),
        trace_id = traceparent.get(3..35).unwrap_or_default(),
        span_id = traceparent.get(36..52).unwrap_or_default(),
    );
    let serving = TRACEPARENT.scope(traceparent, serve(request)).instrument(span.clone());
    let mut response = serving.await;
    let took = started.elapsed();
    let status = response.status().as_u16();
    if let Some(id) = request_id {
        response.headers_mut().insert(&X_REQUEST_ID, id);
    }
    let line = measured(label, &method, status, started, took, watched.lines_per_second);
    if let Some(skipped) = line.filter(|_| !watched.is_quiet()) {
        span.in_scope(|| log(watched, route.is_some(), &response, took, skipped));
    }
    if let Some(recorded) = &mut recorded {
        recorded.number("http.response.status_code", status);
        if let Some(object) = object(watched.path, route.is_some(), &response) {
            recorded.text("oms.object", object);
        }
        if status >= 500 {
            recorded.fail(response.status().as_str().to_owned());
        }
    }
    response
}

/// The span of a request whose trace is recorded.
fn recorded(
    traceparent: &str,
    parent: Option<u64>,
    watched: Watched<'_>,
    method: &Method,
    route: &str,
) -> Option<Span> {
    if !traces::are_on() || watched.is_quiet() {
        return None;
    }
    let context = Context::parse_sampled(traceparent)?;
    let method = method_label(method);
    let mut span = Span::new(context, parent, Kind::Server, format!("{method} {route}"));
    span.text("http.request.method", method);
    span.text("http.route", route);
    Some(span)
}

/// Writes the line of a request; `skipped` like it had none since the last one.
fn log(watched: Watched<'_>, matched: bool, response: &Response, took: Duration, skipped: u64) {
    let status = response.status().as_u16();
    let milliseconds = (took.as_secs_f64() * 10_000.0).round() / 10.0;
    let principal = watched.principal.get().unwrap_or(&Principal::Nobody).name();
    let object = object(watched.path, matched, response);
    if status >= 500 {
        tracing::warn!(status, milliseconds, principal, object, skipped, "answered");
    } else {
        tracing::info!(status, milliseconds, principal, object, skipped, "answered");
    }
}

/// What a request is about, as its path: of `/api/orders/7/cancel` it is `/api/orders/7`, and so it is of the request that
/// made this order. Only numbers and UUIDs are taken for names of objects: other parts of a path may be personal data.
fn object<'a>(path: &'a str, matched: bool, response: &'a Response) -> Option<&'a str> {
    if !matched {
        return None;
    }
    let made = || response.headers().get(header::LOCATION)?.to_str().ok();
    up_to_id(path).or_else(|| up_to_id(made()?))
}

fn up_to_id(path: &str) -> Option<&str> {
    let is_id = |part: &str| {
        let number = !part.is_empty() && part.len() <= 19 && part.bytes().all(|b| b.is_ascii_digit());
        number || part.len() == 36 && Uuid::try_parse(part).is_ok()
    };
    let id = path.strip_prefix("/api/")?.split('/').find(|part| is_id(part))?;
    let end = id.as_ptr().addr() - path.as_ptr().addr() + id.len();
    path.get(..end)
}

/// Counts a request that could not be read, so that no layer saw it.
pub(crate) fn count_unread(status: u16) {
    measured("unmatched", &Method::CONNECT, status, *BEGIN, Duration::ZERO, 0);
}

/// Whether an id of a client can be taken over: what the log and the answer show the same.
fn is_request_id(id: &HeaderValue) -> bool {
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// Requests of one route, method and status on this thread.
struct Alike {
    method: &'static str,
    status: u16,
    durations: Histogram,
    lines: Lines,
}

/// Which of many requests get a line in the log: those of answers 500 and above all, of others the first of each second.
#[derive(Default)]
pub(crate) struct Lines {
    second: u64,
    written: u32,
    skipped: u64,
}

impl Lines {
    /// Whether one more request gets a line; then, how many before it got none.
    pub(crate) fn next(&mut self, status: u16, second: u64, most: u32) -> Option<u64> {
        if self.second != second {
            (self.second, self.written) = (second, 0);
        }
        if status < 500 && self.written >= most {
            self.skipped += 1;
            return None;
        }
        self.written = self.written.saturating_add(1);
        Some(std::mem::take(&mut self.skipped))
    }
}

/// When seconds began to be counted.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The second that it is, since they began to be counted.
pub(crate) fn seconds() -> u64 {
    BEGIN.elapsed().as_secs()
}

thread_local! {
    /// By route: to look a histogram up in the registry, with its labels, costs more than to record.
    static REQUESTS: RefCell<BTreeMap<String, Vec<Alike>>> = RefCell::default();
}

/// Measures a request; gives whether it gets a line in the log, as [`Lines::next`] does.
fn measured(route: &str, method: &Method, status: u16, started: Instant, took: Duration, most: u32) -> Option<u64> {
    let (method, second) = (method_label(method), started.saturating_duration_since(*BEGIN).as_secs());
    REQUESTS.with_borrow_mut(|routes| {
        let known = routes.get_mut(route).into_iter().flatten();
        if let Some(alike) = known.into_iter().find(|known| (known.method, known.status) == (method, status)) {
            alike.durations.record(took);
            return alike.lines.next(status, second, most);
        }
        let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        let durations = metrics::histogram!("http_request_duration_seconds", &labels);
        durations.record(took);
        let mut lines = Lines::default();
        let line = lines.next(status, second, most);
        routes.entry(route.to_owned()).or_default().push(Alike { method, status, durations, lines });
        line
    })
}

/// A client may make methods up: they share one label.
pub(crate) fn method_label(method: &Method) -> &'static str {
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

/// The trace context that a request brings. Of two nobody knows which holds (W3C Trace Context, 3.2).
fn incoming(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(&TRACE_HEADER).iter();
    lines.next().filter(|_| lines.next().is_none())?.to_str().ok()
}

/// The trace context for what this request, of this id, causes: the caller's trace with a new span, or a new trace, which
/// has the id of the request. And the span of the caller, if it has one.
///
/// Who began a trace has decided whether it is recorded: the flag is passed on. Of a trace that begins here the sampler
/// decides.
fn child_traceparent(incoming: Option<&str>, id: Uuid) -> (String, Option<u64>) {
    // The random half of a UUIDv7, which is never zero, is the span.
    if let Some(caller) = incoming.and_then(Context::parse) {
        let (_, span) = id.as_u64_pair();
        return (Context { span, ..caller }.to_string(), Some(caller.span));
    }
    let mut own = Uuid::encode_buffer();
    let own: &str = id.simple().encode_lower(&mut own);
    let flags = if traces::records_new(id.as_u128()) { "01" } else { "00" };
    (["00-", own, "-", own.get(16..).unwrap_or_default(), "-", flags].concat(), None)
}

#[cfg(test)]
mod tests {
    use super::{Lines, incoming, is_request_id, up_to_id};
    use axum::http::{HeaderMap, HeaderValue};
    use uuid::Uuid;

    fn child_traceparent(incoming: Option<&str>, id: Uuid) -> String {
        super::child_traceparent(incoming, id).0
    }

    #[test]
    fn the_object_is_the_path_up_to_its_number() {
        let id = "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a";
        for (path, object) in [
            ("/api/orders/7", Some("/api/orders/7")),
            ("/api/orders/7/items/8", Some("/api/orders/7")),
            (&*format!("/api/inventory/reservations/{id}/commit"), Some(&*format!("/api/inventory/reservations/{id}"))),
            ("/api/orders", None),
            ("/api/orders/customer/ada@example.com", None),
            ("/api/orders/seven", None),
            ("/7", None),
            ("/api/orders/12345678901234567890", None),
        ] {
            assert_eq!(up_to_id(path), object, "{path}");
        }
    }

    #[test]
    fn of_many_requests_the_first_of_each_second_get_a_line() {
        let mut lines = Lines::default();
        let written = |lines: &mut Lines, second, requests: usize| {
            (0..requests).filter_map(|_| lines.next(201, second, 10)).collect::<Vec<_>>()
        };
        assert_eq!(written(&mut lines, 0, 1000), [0; 10]);
        assert_eq!(written(&mut lines, 1, 3), [990, 0, 0]);
        assert_eq!(written(&mut lines, 5, 2), [0, 0]);
        assert_eq!(Lines::default().next(201, 0, 0), None);
        let mut failed = Lines::default();
        assert!((0..1000).all(|_| failed.next(503, 0, 0) == Some(0)), "each failure has its line");
    }

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
    fn two_trace_contexts_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(incoming(&headers), None);
        headers.append("traceparent", HeaderValue::from_static("one"));
        assert_eq!(incoming(&headers), Some("one"));
        headers.append("traceparent", HeaderValue::from_static("two"));
        assert_eq!(incoming(&headers), None);
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
