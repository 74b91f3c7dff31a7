//! OTLP 1 in its JSON form: ids in hexadecimal, numbers of 64 bits as texts.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use super::context::Context;
use super::span::{Recorded, Value};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::time::{SystemTime, UNIX_EPOCH};

/// Who records: what every span of a process has in common.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    attributes: Vec<(&'static str, Value)>,
    version: String,
}

impl Resource {
    /// This process, as an instance of the service.
    pub fn new(service: &str, version: &str, instance: String) -> Self {
        let text = |text: &str| Value::Text(text.to_owned());
        let attributes = vec![
            ("service.name", text(service)),
            ("service.version", text(version)),
            ("service.instance.id", Value::Text(instance)),
        ];
        Self { attributes, version: version.to_owned() }
    }

    /// The request with these spans, in JSON.
    pub fn request(&self, spans: &[Recorded]) -> Result<Vec<u8>, serde_json::Error> {
        let resource = Attributes { attributes: each_attribute(&self.attributes) };
        let scope = Scope { name: "service-kit", version: &self.version };
        let spans = spans.iter().map(Span::of).collect();
        let request =
            Request { resource_spans: [ResourceSpans { resource, scope_spans: [ScopeSpans { scope, spans }] }] };
        serde_json::to_vec(&request)
    }
}

/// How many spans of a request its answer says were not taken: an `ExportTraceServiceResponse`, in which numbers of 64 bits may
/// be texts. None where it says nothing of that.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = &answer["partialSuccess"]["rejectedSpans"];
    rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Attributes<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Attributes<'a> {
    attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope<'a>,
    spans: Vec<Span<'a>>,
}

#[derive(Serialize)]
struct Scope<'a> {
    name: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    trace_id: Hex<u128>,
    span_id: Hex<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<Hex<u64>>,
    flags: u8,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: Digits<u128>,
    end_time_unix_nano: Digits<u128>,
    attributes: Vec<Attribute<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
    status: Status<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    trace_id: Hex<u128>,
    span_id: Hex<u64>,
}

/// Without a code where nothing failed.
#[derive(Serialize)]
struct Status<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// STATUS_CODE_ERROR.
const FAILED: u8 = 2;

impl<'a> Span<'a> {
    fn of(span: &'a Recorded) -> Self {
        let Context { trace, span: id, flags } = span.context;
        let links = span.links.iter().map(|link| Link { trace_id: Hex(link.trace), span_id: Hex(link.span) });
        Self {
            trace_id: Hex(trace),
            span_id: Hex(id),
            parent_span_id: span.parent.map(Hex),
            flags,
            name: &span.name,
            kind: span.kind as u8,
            start_time_unix_nano: Digits(nanoseconds(span.begin)),
            end_time_unix_nano: Digits(nanoseconds(span.end)),
            attributes: each_attribute(&span.attributes),
            links: links.collect(),
            status: Status { code: span.failure.as_ref().map(|_| FAILED), message: span.failure.as_deref() },
        }
    }
}

fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'static str,
    value: &'a Value,
}

fn each_attribute<'a>(attributes: &'a [(&'static str, Value)]) -> Vec<Attribute<'a>> {
    attributes.iter().map(|(key, value)| Attribute { key, value }).collect()
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serializer.serialize_map(Some(1))?;
        match self {
            Self::Text(text) => value.serialize_entry("stringValue", text)?,
            Self::Number(number) => value.serialize_entry("intValue", &Digits(*number))?,
        }
        value.end()
    }
}

/// A number as a text of its digits.
struct Digits<N>(N);

/// An id, with its leading zeros.
struct Hex<N>(N);

impl<N: std::fmt::Display> Serialize for Digits<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<N: std::fmt::LowerHex> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:0width$x}", self.0, width = size_of::<N>() * 2))
    }
}

#[cfg(test)]
mod tests {
    use super::{Recorded, Resource, Value, rejected};
    use crate::traces::context::Context;
    use crate::traces::span::Kind;
    use serde_json::json;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn an_answer_may_say_that_spans_were_rejected() {
        for (answer, expected) in [
            (r#"{"partialSuccess": {"rejectedSpans": "7", "errorMessage": "too old"}}"#, 7),
            (r#"{"partialSuccess": {"rejectedSpans": 7}}"#, 7),
            (r#"{"partialSuccess": {"errorMessage": "a warning"}}"#, 0),
            (r#"{"partialSuccess": {"rejectedSpans": -1}}"#, 0),
            ("{}", 0),
            ("", 0),
            ("<html>", 0),
        ] {
            assert_eq!(rejected(answer.as_bytes()), expected, "{answer}");
        }
    }

    #[test]
    fn a_request_is_what_the_specification_says() {
        let context = Context { trace: 0x4bf9, span: 0xf067, flags: 1 };
        let span = Recorded {
            context,
            parent: Some(7),
            kind: Kind::Consumer,
            name: "process q".to_owned(),
            begin: UNIX_EPOCH + Duration::from_secs(1),
            end: UNIX_EPOCH + Duration::from_millis(1_500),
            attributes: vec![("a", Value::Number(-1)), ("b", Value::Text("x\"".to_owned()))],
            links: vec![Context { trace: 1, span: 2, flags: 1 }],
            failure: Some("no answer in time".into()),
        };
        let request = Resource::new("order-service", "1.0.0", "i".to_owned()).request(&[span]).unwrap();
        let request: serde_json::Value = serde_json::from_slice(&request).unwrap();
        let text = |key, value| json!({"key": key, "value": {"stringValue": value}});
        let expected = json!({"resourceSpans": [{
            "resource": {"attributes": [
                text("service.name", "order-service"), text("service.version", "1.0.0"), text("service.instance.id", "i")]},
            "scopeSpans": [{
                "scope": {"name": "service-kit", "version": "1.0.0"},
                "spans": [{
                    "traceId": "00000000000000000000000000004bf9", "spanId": "000000000000f067",
                    "parentSpanId": "0000000000000007", "flags": 1, "name": "process q", "kind": 5,
                    "startTimeUnixNano": "1000000000", "endTimeUnixNano": "1500000000",
                    "attributes": [{"key": "a", "value": {"intValue": "-1"}}, text("b", "x\"")],
                    "links": [{"traceId": "00000000000000000000000000000001", "spanId": "0000000000000002"}],
                    "status": {"code": 2, "message": "no answer in time"}
                }]
            }]
        }]});
        assert_eq!(request, expected);
    }
}
