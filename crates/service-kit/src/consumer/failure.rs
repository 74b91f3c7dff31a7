//! Why events could not be dealt with, and how they are tried after that.

use super::{Decision, HandlerError};
use std::fmt::{self, Display};

/// Why events could not be dealt with.
#[derive(Debug)]
pub(super) enum Failure<E> {
    /// The handler, or the database, says why.
    Handler(E),
    /// The handler panicked.
    Panicked(String),
    /// The database said nothing for too long.
    NoAnswer,
}

impl<E: HandlerError> Failure<E> {
    /// What becomes of an event that fails so on its own.
    pub(super) fn decision(&self) -> Decision {
        match self {
            Self::Handler(error) => error.decision(),
            // What it stumbled on may be gone later.
            Self::Panicked(_) => Decision::Retry,
            Self::NoAnswer => Decision::Wait,
        }
    }

    /// Whether the database was away, which is no message's fault.
    pub(super) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Handler(error) if error.is_unavailable())
    }
}

impl<E> From<E> for Failure<E> {
    fn from(error: E) -> Self {
        Self::Handler(error)
    }
}

impl<E: Display> Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler(error) => error.fmt(f),
            Self::Panicked(panic) => f.write_str(panic),
            Self::NoAnswer => f.write_str("PostgreSQL did not answer in time"),
        }
    }
}

/// How long statements may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pace {
    /// As long as everywhere.
    Usual,
    /// A second. Somebody holds a lock: each event that needs it would take all of the usual time, one after the other.
    Hurried,
}

impl Pace {
    /// The pace of the next attempt.
    pub(super) fn after<E: HandlerError>(self, outcome: &Result<(), Failure<E>>) -> Self {
        match outcome {
            Err(failure) if failure.decision() == Decision::Wait => Self::Hurried,
            _ => self,
        }
    }
}

/// The text of an error without the value that serde quotes: it may be the address of a customer, and goes to the log.
pub(super) fn without_values(text: &str) -> String {
    let quoted = |mark: &str| text.find(mark).map(|at| at + mark.len());
    match (quoted("string \""), text.rfind("\", expected")) {
        (Some(begin), Some(end)) if begin <= end => format!("{}…{}", &text[..begin], &text[end..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn the_log_does_not_quote_a_message() {
        let error = serde_json::from_str::<Vec<i64>>("[\"ada@example.com\\\", expected\"]").unwrap_err().to_string();
        assert!(error.contains("ada@example.com"), "{error}");
        let told = without_values(&error);
        assert!(told.contains("string \"…\", expected i64"), "{told}");
        assert_eq!(without_values("no answer in time"), "no answer in time");
    }
}
