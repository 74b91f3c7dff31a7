//! Which pages of other origins may call the service (`CORS_ORIGINS`), and what browsers let them send and read.

use crate::reading::READ_AFTER;
use axum::http::{HeaderName, HeaderValue, Method, header};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tower_http::cors::CorsLayer;
use url::Url;

/// For how long a browser does not ask again.
const REMEMBERED: Duration = Duration::from_mins(10);

/// What clients send beside what browsers always let pages send.
const SENT: [HeaderName; 10] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("prefer"),
    HeaderName::from_static(READ_AFTER),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-request-id"),
];

/// What clients read beside what browsers always show pages.
const READ: [HeaderName; 12] = [
    header::ALLOW,
    header::ETAG,
    header::LINK,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("idempotency-replayed"),
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static(READ_AFTER),
    HeaderName::from_static("x-request-id"),
];

const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Origins whose pages may call the service, each to the letter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CorsOrigins(Arc<[HeaderValue]>);

impl FromStr for CorsOrigins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        Ok(Self(origins.map(origin).collect::<Result<Vec<_>, _>>()?.into()))
    }
}

/// An origin as browsers write it: scheme, host, and the port where it is not the usual one.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let is_exact = url.is_some_and(|url| url.origin().ascii_serialization() == text) && !text.contains('*');
    let exact = if is_exact { HeaderValue::from_str(text).ok() } else { None };
    exact.ok_or_else(|| {
        "must be origins as browsers send them, such as https://shop.example: without a path, and none for all"
            .to_owned()
    })
}

impl CorsOrigins {
    /// Whether pages of this origin may call.
    pub(crate) fn contain(&self, origin: &HeaderValue) -> bool {
        self.0.contains(origin)
    }

    /// Answers what browsers ask before they call, and puts on every answer which pages may read it. None where no origin
    /// is named. Pages show who they are by a token alone, so nothing is said of cookies.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        if self.0.is_empty() {
            return None;
        }
        let layer = CorsLayer::new().allow_origin(self.0.to_vec()).allow_methods(METHODS).allow_headers(SENT);
        Some(layer.expose_headers(READ).max_age(REMEMBERED))
    }
}

#[cfg(test)]
mod tests {
    use super::CorsOrigins;

    #[test]
    fn origins_are_named_to_the_letter() {
        let origins: CorsOrigins = "https://shop.example, http://localhost:3000,".parse().unwrap();
        for (origin, listed) in [
            ("https://shop.example", true),
            ("http://localhost:3000", true),
            ("http://shop.example", false),
            ("https://shop.example:8443", false),
            ("https://www.shop.example", false),
            ("https://shop.example.evil.example", false),
            ("null", false),
        ] {
            assert_eq!(origins.contain(&origin.parse().unwrap()), listed, "{origin}");
        }
        assert!(origins.layer().is_some() && CorsOrigins::default().layer().is_none());
    }

    #[test]
    fn what_no_browser_sends_as_an_origin_is_refused() {
        for bad in [
            "*",
            "null",
            "shop.example",
            "https://*.shop.example",
            "https://shop.example/",
            "https://shop.example/shop",
            "https://shop.example:443",
            "https://Shop.example",
            "https://ada@shop.example",
            "ftp://shop.example",
            "file://",
            "https://shop.example https://b.example",
        ] {
            let error = bad.parse::<CorsOrigins>().unwrap_err();
            assert!(error.contains("such as https://shop.example"), "{bad}");
        }
    }
}
