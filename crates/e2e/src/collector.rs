//! A stand-in for an OpenTelemetry collector: holds every request against OTLP over HTTP, and keeps the spans.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use crate::mail_server::lock;
use crate::poll;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A span as it was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// `service.name` of its resource.
    pub service: String,
    pub trace: String,
    pub id: String,
    pub parent: Option<String>,
    pub name: String,
    /// 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: u64,
    /// Texts and the digits of numbers.
    pub attributes: BTreeMap<String, String>,
    /// Trace and span of each.
    pub links: Vec<(String, String)>,
    pub failed: bool,
}

/// A running collector. Ends when dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    silent: AtomicBool,
    rejecting: AtomicBool,
    asked_for: Mutex<Option<(&'static str, String)>>,
    spans: Mutex<Vec<Span>>,
    breaches: Mutex<Vec<String>>,
}

impl Collector {
    /// A collector that takes everything.
    pub async fn start() -> Self {
        let shared: Arc<Shared> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        #[expect(clippy::disallowed_methods, reason = "a stand-in knows no callers")]
        let routes = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&shared));
        let running = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("a server");
        });
        Self { address, shared, running }
    }

    /// Reads requests from now on, and never answers.
    pub fn be_silent(&self) {
        self.shared.silent.store(true, SeqCst);
    }

    /// Takes requests with this header alone from now on.
    pub fn ask_for(&self, name: &'static str, value: &str) {
        *lock(&self.shared.asked_for) = Some((name, value.to_owned()));
    }

    /// Says from now on that it has not taken one span of each request.
    pub fn reject_one(&self) {
        self.shared.rejecting.store(true, SeqCst);
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans so far. Fails the test where a request was not as the protocol has it.
    #[track_caller]
    pub fn spans(&self) -> Vec<Span> {
        assert_eq!(*lock(&self.shared.breaches), Vec::<String>::new());
        lock(&self.shared.spans).clone()
    }

    /// The spans of a trace so far.
    #[track_caller]
    pub fn of_trace(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace == trace).collect()
    }

    /// Waits until a trace has this many spans with this name; gives all of its spans.
    pub async fn trace_with(&self, trace: &str, name: &str, count: usize) -> Vec<Span> {
        poll::eventually(&format!("{count} spans {name:?} in the trace {trace}"), async || {
            let spans = self.of_trace(trace);
            let found = spans.iter().filter(|span| span.name == name).count();
            if found >= count { Ok(spans) } else { Err(format!("{spans:#?}")) }
        })
        .await
    }

    /// The same, once the cause of each span is there, too: the services send theirs when they like.
    pub async fn whole_trace_with(&self, trace: &str, name: &str, count: usize) -> Vec<Span> {
        self.trace_with(trace, name, count).await;
        poll::eventually(&format!("the causes of all spans in the trace {trace}"), async || {
            let spans = self.of_trace(trace);
            let has_cause =
                |span: &&Span| span.parent.as_ref().is_none_or(|parent| spans.iter().any(|other| other.id == *parent));
            match spans.iter().find(|span| !has_cause(span)) {
                None => Ok(spans),
                Some(orphan) => Err(format!("{orphan:?} has no cause")),
            }
        })
        .await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    if shared.silent.load(SeqCst) {
        pending::<()>().await;
    }
    if let Some((name, value)) = &*lock(&shared.asked_for)
        && headers.get(*name).is_none_or(|it| it != value)
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let json = headers.get("content-type").is_some_and(|it| it == "application/json");
    let body = serde_json::from_slice::<Value>(&body);
    match body.map_err(|error| error.to_string()).and_then(|body| request(&body)) {
        Ok(spans) if json => {
            lock(&shared.spans).extend(spans);
            let rejected = json!({"partialSuccess": {"rejectedSpans": "1", "errorMessage": "one too many"}});
            let answer = if shared.rejecting.load(SeqCst) { rejected } else { json!({}) };
            ([("content-type", "application/json")], answer.to_string()).into_response()
        }
        outcome => {
            lock(&shared.breaches).push(outcome.err().unwrap_or_else(|| "the content type is not JSON".to_owned()));
            StatusCode::BAD_REQUEST.into_response()
        }
    }
}

/// The spans of an `ExportTraceServiceRequest`. What the protocol does not name is a breach, too.
fn request(body: &Value) -> Result<Vec<Span>, String> {
    let mut spans = Vec::new();
    let [resource_spans] = members(body, ["resourceSpans"], [])?;
    for resource_spans in array(resource_spans)? {
        let [resource, scope_spans] = members(resource_spans, ["resource", "scopeSpans"], [])?;
        let [of_resource] = members(resource, ["attributes"], [])?;
        let service = attributes(of_resource)?.remove("service.name").ok_or("a resource has no service.name")?;
        for scope_spans in array(scope_spans)? {
            let [scope, sent] = members(scope_spans, ["scope", "spans"], [])?;
            members(scope, ["name", "version"], [])?;
            for one in array(sent)? {
                spans.push(span(&service, one).map_err(|breach| format!("{breach} in {one}"))?);
            }
        }
    }
    Ok(spans)
}

fn span(service: &str, span: &Value) -> Result<Span, String> {
    let required =
        ["traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "status"];
    let [trace, id, name, kind, begin, end, own_attributes, status] =
        members(span, required, ["parentSpanId", "flags", "links"])?;
    let [] = members(status, [], ["code", "message"])?;
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok());
    match (time(begin), time(end)) {
        (Some(begin), Some(end)) if begin <= end && begin > 1_600_000_000_000_000_000 => {}
        times => return Err(format!("the times {times:?}")),
    }
    let links = match span.get("links") {
        Some(links) => array(links)?.iter().map(link).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    Ok(Span {
        service: service.to_owned(),
        trace: hex(trace, 32)?,
        id: hex(id, 16)?,
        parent: span.get("parentSpanId").map(|parent| hex(parent, 16)).transpose()?,
        name: name.as_str().filter(|name| !name.is_empty()).ok_or("no name")?.to_owned(),
        kind: kind.as_u64().filter(|kind| (1..=5).contains(kind)).ok_or("no such kind")?,
        attributes: attributes(own_attributes)?,
        links,
        failed: status.get("code").is_some_and(|code| *code == json!(2)),
    })
}

fn link(link: &Value) -> Result<(String, String), String> {
    let [trace, span] = members(link, ["traceId", "spanId"], [])?;
    Ok((hex(trace, 32)?, hex(span, 16)?))
}

fn attributes(attributes: &Value) -> Result<BTreeMap<String, String>, String> {
    let one = |attribute: &Value| {
        let [key, value] = members(attribute, ["key", "value"], [])?;
        let key = key.as_str().ok_or("a key is no text")?.to_owned();
        let (text, number) = (value.get("stringValue"), value.get("intValue"));
        let digits = |text: &&str| text.parse::<i64>().is_ok();
        let value = match (text.map(Value::as_str), number.map(|number| number.as_str().filter(digits))) {
            (Some(Some(text)), None) => text,
            (None, Some(Some(digits))) => digits,
            _ => return Err(format!("the value {value}")),
        };
        Ok((key, value.to_owned()))
    };
    array(attributes)?.iter().map(one).collect()
}

/// The members of an object that it must have. It may have the others, and no more.
fn members<'v, const N: usize, const M: usize>(
    value: &'v Value,
    required: [&str; N],
    others: [&str; M],
) -> Result<[&'v Value; N], String> {
    let object: &Map<String, Value> = value.as_object().ok_or_else(|| format!("no object: {value}"))?;
    let named = |name: &String| required.contains(&name.as_str()) || others.contains(&name.as_str());
    if let Some(unknown) = object.keys().find(|name| !named(name)) {
        return Err(format!("the protocol has no {unknown}"));
    }
    let mut found = [value; N];
    for (slot, name) in found.iter_mut().zip(required) {
        *slot = object.get(name).ok_or_else(|| format!("{name} is missing"))?;
    }
    Ok(found)
}

fn array(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("no array: {value}"))
}

fn hex(value: &Value, digits: usize) -> Result<String, String> {
    let is_hex = |text: &&str| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = value.as_str().filter(is_hex).filter(|text| text.bytes().any(|b| b != b'0'));
    id.map(str::to_owned).ok_or_else(|| format!("the id {value}"))
}
