//! The headers that every answer has: what browsers may do with it, and who may keep it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

/// For data: nothing of it is loaded, run or framed.
pub(crate) const NOTHING_MAY_LOAD: &str = "default-src 'none'; frame-ancestors 'none'";

// Values are checked byte by byte when they are made, so these are made once.
static NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");
static DATA: HeaderValue = HeaderValue::from_static(NOTHING_MAY_LOAD);
static NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");
static ASKED_FOR: HeaderValue = HeaderValue::from_static("private, no-cache");
/// For Swagger UI: its own scripts, styles and calls. It writes styles into its page.
static SWAGGER_UI: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// Puts the headers on the answer to a request for `path`. What a route has set itself stays.
pub(crate) fn finish(mut response: Response, path: &str) -> Response {
    let is_page = path.starts_with("/swagger-ui");
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFFING.clone());
    unless_set(headers, header::CONTENT_SECURITY_POLICY, if is_page { &SWAGGER_UI } else { &DATA });
    // What has an ETag may be kept by the client itself, which asks each time whether it is still right.
    let keep = if headers.contains_key(header::ETAG) { &ASKED_FOR } else { &NOT_KEPT };
    unless_set(headers, header::CACHE_CONTROL, keep);
    if is_page {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        name_charset(headers);
    }
    response
}

fn unless_set(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    headers.entry(name).or_insert_with(|| value.clone());
}

/// The files of Swagger UI are UTF-8.
fn name_charset(headers: &mut HeaderMap) {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(media_type) = media_type.filter(|it| it.starts_with("text/") && !it.contains("charset")) else { return };
    if let Ok(value) = HeaderValue::from_str(&format!("{media_type}; charset=utf-8")) {
        headers.insert(header::CONTENT_TYPE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::finish;
    use axum::http::header;
    use axum::response::{Html, IntoResponse, Response};

    fn header(response: &Response, name: &str) -> String {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn every_answer_says_who_may_keep_it() {
        let plain = finish("{}".into_response(), "/api/orders");
        assert_eq!(header(&plain, "cache-control"), "no-store");
        assert_eq!(header(&plain, "x-content-type-options"), "nosniff");
        assert!(header(&plain, "content-security-policy").contains("frame-ancestors 'none'"));
        let tagged = finish(([(header::ETAG, "\"1\"")], "{}").into_response(), "/api/orders/1");
        assert_eq!(header(&tagged, "cache-control"), "private, no-cache");
        let own = finish(([(header::CACHE_CONTROL, "public")], "").into_response(), "/x");
        assert_eq!(header(&own, "cache-control"), "public");
    }

    #[test]
    fn swagger_ui_names_its_charset_and_cannot_be_framed() {
        let page = finish(([(header::CONTENT_TYPE, "text/html")], Html("")).into_response(), "/swagger-ui/");
        assert!(header(&page, "content-type").ends_with("charset=utf-8"));
        assert_eq!(header(&page, "x-frame-options"), "DENY");
        assert!(header(&page, "content-security-policy").contains("script-src 'self'"));
    }
}
