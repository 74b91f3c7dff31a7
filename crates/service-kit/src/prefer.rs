//! The header `Prefer` (RFC 7240): what a client would like, and may not get.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::convert::Infallible;

/// The preferences that are known here; any other is ignored, as the RFC wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prefer {
    /// `respond-async`: rather an answer at once than the result.
    pub respond_async: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Prefer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

impl Prefer {
    fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all("prefer").into_iter().filter_map(|line| line.to_str().ok());
        Self { respond_async: lines.flat_map(preferences).any(|name| name.eq_ignore_ascii_case("respond-async")) }
    }
}

/// The names of the preferences of one header line that have no value; an empty one counts as none.
fn preferences(line: &str) -> impl Iterator<Item = &str> {
    split(line, ',').filter_map(|preference| {
        // What stands behind a semicolon are parameters.
        let preference = split(preference, ';').next()?;
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        matches!(value.trim(), "" | "\"\"").then_some(name.trim())
    })
}

/// Splits where the separator stands outside of a quoted string.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let ends = c == separator && !quoted;
        (quoted, escaped) = match c {
            _ if escaped => (quoted, false),
            '\\' => (quoted, quoted),
            '"' => (!quoted, false),
            _ => (quoted, false),
        };
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::Prefer;
    use axum::http::HeaderMap;

    fn respond_async(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("prefer", line.parse().unwrap());
        }
        Prefer::of(&headers).respond_async
    }

    #[test]
    fn it_is_found_among_others_in_any_case() {
        for line in ["respond-async", "Respond-Async", "wait=5, respond-async", "respond-async;a=b, wait=5"] {
            assert!(respond_async(&[line]), "{line}");
        }
        assert!(respond_async(&["respond-async=\"\" , x"]));
        assert!(respond_async(&["a=\"b, \\\" c\", RESPOND-ASYNC"]));
        assert!(respond_async(&["return=minimal", "respond-async"]));
    }

    #[test]
    fn what_only_looks_like_it_is_not_it() {
        for line in ["", "return=minimal", "respond", "respond-async-2", "respond-async=no", "a=\"x, respond-async\""] {
            assert!(!respond_async(&[line]), "{line}");
        }
        assert!(!respond_async(&[]));
        assert!(!respond_async(&["wait=5; respond-async"]));
    }
}
