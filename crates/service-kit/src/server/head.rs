//! What the head of a request says to the server itself, read in one pass, and what is wrong with it by RFC 9110 and 9112.

use crate::problem::Problem;
use crate::server::longest_body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};

/// Where a request is meant to go and how it came.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    request: &'a Request,
    /// The first `Host`, and how many there are.
    pub(crate) host: Option<&'a HeaderValue>,
    hosts: usize,
    /// Every `Origin`.
    pub(crate) origins: Vec<&'a HeaderValue>,
    /// Whether the browser says that another site makes the call.
    pub(crate) cross_site: bool,
    /// A header that only a proxy sets.
    pub(crate) forwarded: Option<&'a str>,
    /// Whether the body, if there is one, comes in chunks.
    pub(crate) coded: bool,
    expect: Option<&'a HeaderValue>,
    /// An earlier request on the same connection named the same host, and was served.
    pub(crate) host_is_known: bool,
}

impl<'a> Head<'a> {
    /// Reads the head.
    pub(crate) fn of(request: &'a Request) -> Self {
        let mut head = Self {
            request,
            host: None,
            hosts: 0,
            origins: Vec::new(),
            cross_site: false,
            forwarded: None,
            coded: false,
            expect: None,
            host_is_known: false,
        };
        for (name, value) in request.headers() {
            match name.as_str() {
                "host" => {
                    head.host.get_or_insert(value);
                    head.hosts += 1;
                }
                "origin" => head.origins.push(value),
                "sec-fetch-site" => {
                    head.cross_site |= !matches!(value.as_bytes(), b"none" | b"same-origin" | b"same-site");
                }
                "transfer-encoding" => head.coded = true,
                "expect" => head.expect = Some(value),
                name @ ("forwarded" | "via" | "x-real-ip") => head.forwarded = Some(name),
                name if name.starts_with("x-forwarded-") => head.forwarded = Some(name),
                _ => {}
            }
        }
        head
    }

    /// The request.
    pub(crate) fn request(&self) -> &'a Request {
        self.request
    }

    /// The host, where it is all that says where the request is meant to go.
    pub(crate) fn only_host(&self) -> Option<&'a HeaderValue> {
        self.host.filter(|_| self.hosts == 1 && self.request.uri().authority().is_none())
    }

    /// What makes it impossible to serve the request. The connection cannot be used any more afterwards.
    pub(crate) fn fault(&self) -> Option<Problem> {
        self.host_fault().or_else(|| self.coding_fault()).or_else(|| self.expectation_fault())
    }

    /// RFC 9112, 3.2: exactly one valid `Host`, which only HTTP/1.0 may leave out.
    fn host_fault(&self) -> Option<Problem> {
        if self.host_is_known {
            return None;
        }
        let valid = match self.hosts {
            0 => self.request.version() < Version::HTTP_11,
            1 => self.host.is_some_and(|host| host_name(host).is_some()),
            _ => false,
        };
        let authority = self.request.uri().authority().map(|authority| authority.as_str());
        if valid && authority.is_none_or(|authority| split_host(authority).is_some()) {
            return None;
        }
        let detail = "a request has exactly one header Host, which names a host and may name a port";
        Some(Problem::of_status(StatusCode::BAD_REQUEST, detail))
    }

    /// RFC 9112, 6.1 and 7: `chunked` once, at the end, and nothing else.
    fn coding_fault(&self) -> Option<Problem> {
        if !self.coded {
            return None;
        }
        let bad = |detail| Some(Problem::of_status(StatusCode::BAD_REQUEST, detail));
        if self.request.version() < Version::HTTP_11 {
            return bad("HTTP/1.0 has no Transfer-Encoding");
        }
        let codings = codings(self.request.headers());
        if codings.iter().any(|coding| coding != "chunked") {
            let detail = "the only Transfer-Encoding that is understood is chunked";
            return Some(Problem::of_status(StatusCode::NOT_IMPLEMENTED, detail));
        }
        if codings.len() == 1 { None } else { bad("Transfer-Encoding names chunked exactly once") }
    }

    /// RFC 9110, 10.1.1: what the head already tells to be refused is refused before the body is sent.
    fn expectation_fault(&self) -> Option<Problem> {
        let expect = self.expect?;
        if !expect.as_bytes().eq_ignore_ascii_case(b"100-continue") {
            let detail = "the only expectation that is understood is 100-continue";
            return Some(Problem::of_status(StatusCode::EXPECTATION_FAILED, detail));
        }
        let length = self.request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let length: Option<u64> = length.and_then(|length| length.trim().parse().ok());
        if length.is_some_and(|length| length > longest_body(self.path()) as u64) {
            return Some(Problem::body_too_large(self.path()));
        }
        None
    }

    /// Whether a body comes with a media type that other sites can send unasked. Pages say how long their bodies are.
    pub(crate) fn has_foreign_body(&self) -> bool {
        use axum::body::HttpBody;
        if self.coded || self.request.body().is_end_stream() {
            return false;
        }
        let media_type = self.request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is = |text: Option<&str>, wanted: &str| text.is_some_and(|text| text.eq_ignore_ascii_case(wanted));
        let of_application = is(essence.get(.."application/".len()), "application/");
        let is_json = is(Some(essence), "application/json");
        !(is_json || (of_application && is(essence.len().checked_sub(5).and_then(|at| essence.get(at..)), "+json")))
    }

    /// The path.
    pub(crate) fn path(&self) -> &'a str {
        self.request.uri().path()
    }
}

fn codings(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let text = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase());
    let text = text.collect::<Vec<_>>().join(",");
    text.split(',').map(|coding| coding.trim().to_owned()).filter(|coding| !coding.is_empty()).collect()
}

/// The host that a `Host` names, without its port; none where it is not valid.
pub(crate) fn host_name(value: &HeaderValue) -> Option<&str> {
    split_host(value.to_str().ok()?)
}

/// `uri-host [ ":" port ]` of RFC 3986; gives the host, in brackets where it is an IPv6 address.
pub(crate) fn split_host(text: &str) -> Option<&str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')?;
            rest.get(..end)?.parse::<std::net::Ipv6Addr>().ok()?;
            text.split_at_checked(end + 2)?
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = if port.is_empty() { port } else { port.strip_prefix(':')? };
    let is_port = port.is_empty() || (port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b);
    let is_name =
        host.starts_with('[') || (!host.is_empty() && host.bytes().all(is_of_name) && escapes_are_whole(host));
    (is_port && is_name).then_some(host)
}

fn escapes_are_whole(host: &str) -> bool {
    let mut escapes = host.split('%').skip(1);
    escapes.all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

#[cfg(test)]
mod tests {
    use super::{Head, split_host};
    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::Version;

    #[test]
    fn hosts_are_read_as_rfc_3986_has_them() {
        for (text, host) in [
            ("localhost", "localhost"),
            ("shop.example:8081", "shop.example"),
            ("order_service:80", "order_service"),
            ("127.0.0.1:", "127.0.0.1"),
            ("[::1]:8081", "[::1]"),
            ("[::1]", "[::1]"),
            ("caf%C3%A9.example", "caf%C3%A9.example"),
        ] {
            assert_eq!(split_host(text), Some(host), "{text}");
        }
        let bad = ["", ":80", "a b", "a b/c?d@e", "user@host", "a/b", "a?b", "a#b", "host:http", "host:99999", "::1"];
        for text in bad.into_iter().chain([
            "[::1",
            "[nonsense]",
            "[::1]x",
            "[::1]80",
            "a\\b",
            "a%zz",
            "a%4",
            "host:80:80",
            "<a>",
        ]) {
            assert_eq!(split_host(text), None, "{text}");
        }
    }

    fn status(version: Version, uri: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        Head::of(&request).fault().map(|problem| problem.status)
    }

    #[test]
    fn a_request_names_its_host_once() {
        let of = |headers: &[(&str, &str)]| status(Version::HTTP_11, "/", headers);
        assert_eq!(of(&[("host", "localhost")]), None);
        assert_eq!(of(&[]), Some(400));
        assert_eq!(of(&[("host", "localhost"), ("host", "localhost")]), Some(400));
        assert_eq!(of(&[("host", "a b/c?d@e")]), Some(400));
        assert_eq!(of(&[("host", "")]), Some(400));
        assert_eq!(status(Version::HTTP_10, "/", &[]), None);
        assert_eq!(status(Version::HTTP_11, "http://user@host/", &[("host", "localhost")]), Some(400));
    }

    #[test]
    fn the_only_coding_is_chunked_once() {
        let of = |codings: &[&str]| {
            let lines = codings.iter().map(|coding| ("transfer-encoding", *coding));
            status(Version::HTTP_11, "/", &lines.chain([("host", "localhost")]).collect::<Vec<_>>())
        };
        assert_eq!(of(&["chunked"]), None);
        assert_eq!(of(&["Chunked"]), None);
        for unknown in [&["gzip, chunked"][..], &["identity, chunked"], &["gzip", "chunked"], &["chunked;q=1"], &["x"]]
        {
            assert_eq!(of(unknown), Some(501), "{unknown:?}");
        }
        for twice in [&["chunked, chunked"][..], &["chunked", "chunked"], &["chunked,CHUNKED"]] {
            assert_eq!(of(twice), Some(400), "{twice:?}");
        }
        let old = [("host", "localhost"), ("transfer-encoding", "chunked")];
        assert_eq!(status(Version::HTTP_10, "/", &old), Some(400));
    }

    #[test]
    fn a_body_that_is_too_long_is_not_asked_for() {
        let of = |expect, length| {
            let headers = [("host", "localhost"), ("expect", expect), ("content-length", length)];
            status(Version::HTTP_11, "/", &headers)
        };
        assert_eq!(of("100-continue", "5368709120"), Some(413));
        assert_eq!(of("100-Continue", "1048577"), Some(413));
        assert_eq!(of("100-continue", "1048576"), None);
        assert_eq!(of("coffee", "1"), Some(417));
    }
}
