//! The log for collectors: one JSON object a line, with all fields at its top. The schema is in docs/tracing.md.

use std::fmt;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes time, level and target of an event, then its fields, then those of the request in which it happened. Fields must
/// be formatted in JSON.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        write!(line, "{{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        write!(line, "\",\"level\":\"{}\",\"target\":\"{}\"", metadata.level(), metadata.target())?;
        let mut fields = String::new();
        context.format_fields(Writer::new(&mut fields), event)?;
        add(&mut line, &fields)?;
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                add(&mut line, fields)?;
            }
        }
        writeln!(line, "}}")
    }
}

/// Adds the members of an object behind others.
fn add(line: &mut Writer<'_>, object: &str) -> fmt::Result {
    match object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(members) if !members.is_empty() => write!(line, ",{members}"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::JsonLines;
    use crate::captured::Captured;
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn each_line_is_one_flat_object() {
        let lines = Captured::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let log = log.event_format(JsonLines).fmt_fields(JsonFields::new());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log), || {
            tracing::warn!(attempts = 2, error = "a \"quoted\"\nline", "alone");
            tracing::info_span!("request", route = "/api", trace_id = "4bf9").in_scope(|| tracing::info!("inside"));
        });
        let text = lines.text();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        let (level, target) = ("WARN", module_path!());
        let time = &lines[0]["timestamp"];
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        let alone = serde_json::json!({"timestamp": time, "level": level, "target": target, "message": "alone",
            "attempts": 2, "error": "a \"quoted\"\nline"});
        assert_eq!(lines[0], alone);
        let inside = serde_json::json!({"timestamp": lines[1]["timestamp"], "level": "INFO", "target": target,
            "message": "inside", "route": "/api", "trace_id": "4bf9"});
        assert_eq!(lines[1], inside);
    }
}
