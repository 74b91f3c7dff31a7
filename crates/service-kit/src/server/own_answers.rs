//! Answers that hyper gives by itself to what it cannot read: 400, 414 and 431, with an empty body and unseen by any
//! layer. They get the shape that every error has, and are counted.

use crate::problem::Problem;
use crate::server::headers;
use crate::telemetry;
use axum::http::StatusCode;
use uuid::Uuid;

/// Such an answer is shorter than any of ours.
const LONGEST: usize = 200;

/// An answer of ours that takes the place of one of hyper's, as far as it is written.
#[derive(Debug)]
pub(crate) struct OwnAnswer {
    bytes: Vec<u8>,
    written: usize,
}

impl OwnAnswer {
    /// What has to be written yet.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// So much was written.
    pub(crate) fn advance(&mut self, count: usize) {
        self.written += count;
    }
}

/// What is to be written where hyper writes these bytes; none where they are an answer of ours.
pub(crate) fn instead_of(bytes: &[u8]) -> Option<OwnAnswer> {
    if bytes.len() > LONGEST || !bytes.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    if head.contains("x-request-id") || !head.contains("content-length: 0\r\n") || !head.ends_with("\r\n\r\n") {
        return None;
    }
    let status = StatusCode::from_bytes(head.get(9..12)?.as_bytes()).ok()?;
    let detail = match status {
        StatusCode::URI_TOO_LONG => "the path and query of the request are too long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "the head of the request has too many fields or too many bytes",
        _ => "the request is no HTTP/1.1 that could be read",
    };
    telemetry::count_unread(status.as_u16());
    Some(OwnAnswer { bytes: problem(status, detail), written: 0 })
}

/// A whole answer as it goes over the wire, after which the connection is closed.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Vec<u8> {
    let problem = Problem::of_status(status, detail);
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let retry_after = problem.retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let id = Uuid::now_v7();
    tracing::debug!(status = status.as_u16(), request_id = %id, "refused without being read");
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\
         {retry_after}x-request-id: {id}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
         content-security-policy: {}\r\n\r\n{body}",
        body.len(),
        headers::NOTHING_MAY_LOAD,
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::instead_of;

    fn answer(head: &str) -> Option<String> {
        instead_of(head.as_bytes()).map(|own| String::from_utf8(own.rest().to_vec()).unwrap())
    }

    #[test]
    fn an_empty_answer_becomes_a_problem() {
        let date = "date: Wed, 25 Nov 2026 18:00:00 GMT";
        for (status, slug) in [
            ("400 Bad Request", "bad-request"),
            ("414 URI Too Long", "uri-too-long"),
            ("431 Request Header Fields Too Large", "request-header-fields-too-large"),
        ] {
            let empty = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n{date}\r\n\r\n");
            let own = answer(&empty).unwrap();
            assert!(own.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{own}");
            assert!(own.contains(&format!("\"type\":\"/problems/{slug}\"")), "{own}");
        }
    }

    #[test]
    fn every_other_answer_stays_as_it_is() {
        let ours = "HTTP/1.1 404 Not Found\r\nx-request-id: 7\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answer(ours), None);
        assert_eq!(answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None);
        assert_eq!(answer("HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(answer("{\"status\":\"UP\"}"), None);
    }
}
