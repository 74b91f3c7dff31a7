//! W3C Trace Context: which trace something belongs to, what in it caused it, and whether the trace is recorded.

use memchr::memmem;
use std::fmt;

/// `00-<32 hex trace id>-<16 hex span id>-<2 hex flags>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Context {
    pub trace: u128,
    pub span: u64,
    /// Of the flags that are known: sampled, and (in level 2) that the trace id is random.
    pub flags: u8,
}

/// The flags that are known, as they are passed on.
const KNOWN_FLAGS: u8 = 0b11;

/// The trace is recorded.
const SAMPLED: u8 = 0b01;

impl Context {
    /// Reads a valid `traceparent`. A later version than ours may say more behind it.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.splitn(5, '-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let version_is_known = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        if !version_is_known || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
        Some(Self { trace, span, flags: u8::from_str_radix(flags, 16).ok()? & KNOWN_FLAGS })
    }

    /// The same, where the trace is recorded.
    pub fn parse_sampled(traceparent: &str) -> Option<Self> {
        // Of thousands few are: a look at the last digit of the flags comes first.
        let flags = *traceparent.as_bytes().get(54)?;
        if flags.is_ascii_digit() && flags % 2 == 0 {
            return None;
        }
        Self::parse(traceparent).filter(|context| context.is_sampled())
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The context of a new span under this one.
    pub fn child(self) -> Self {
        Self { span: fastrand::u64(1..), ..self }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// How an event in JSON begins to name its trace.
const FIELD: &str = "\"traceparent\":\"";

/// The traces that are recorded among those that events name, which a message has in JSON. What stands inside of a text has
/// its quotes escaped, and so is not taken for one.
pub(crate) fn sampled_within(message: &[u8]) -> impl Iterator<Item = &str> {
    memmem::find_iter(message, FIELD).filter_map(move |at| {
        let traceparent = message.get(at + FIELD.len()..)?.get(..55)?;
        let traceparent = std::str::from_utf8(traceparent).ok()?;
        Context::parse_sampled(traceparent).map(|_| traceparent)
    })
}

#[cfg(test)]
mod tests {
    use super::{Context, sampled_within};

    #[test]
    fn what_is_read_is_written_the_same() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = Context::parse(text).unwrap();
        assert_eq!(context.to_string(), text);
        let child = context.child();
        assert!(child.trace == context.trace && child.span != context.span && child.is_sampled());
    }

    #[test]
    fn only_a_trace_that_is_recorded_counts_as_such() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("ff", true), ("fe", false)]
        {
            let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            assert_eq!(Context::parse_sampled(&text).is_some(), sampled, "{flags}");
        }
        assert_eq!(Context::parse_sampled("00-"), None);
    }

    #[test]
    fn recorded_traces_are_found_in_a_message() {
        let of = |id: u8, flags| format!("00-4bf92f3577b34da6a3ce929d0e0e47{id:02x}-00f067aa0ba902b7-{flags}");
        let event =
            |traceparent: &str, note: &str| serde_json::json!({"traceparent": traceparent, "note": note}).to_string();
        let forged = format!(r#"","traceparent":"{}""#, of(9, "01"));
        let events = [event(&of(1, "01"), &forged), event(&of(2, "00"), ""), event(&of(3, "03"), ""), event("", "")];
        let body = format!("[{}]", events.join(","));
        assert_eq!(sampled_within(body.as_bytes()).collect::<Vec<_>>(), [of(1, "01"), of(3, "03")]);
        assert_eq!(sampled_within(b"{\"traceparent\":\"00-").count(), 0);
    }
}
