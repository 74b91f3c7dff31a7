//! Bodies that are forms, as the calls of OAuth have them (RFC 6749, appendix B).

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use service_kit::problem::Problem;

/// The media type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of a form, or why the body is none.
pub fn fields(headers: &HeaderMap, body: &Bytes) -> Result<Vec<(String, String)>, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(FORM) {
        let mut problem = Problem::unsupported_media_type();
        problem.detail = format!("the body must be sent with Content-Type: {FORM}");
        return Err(problem);
    }
    Ok(url::form_urlencoded::parse(body).into_owned().collect())
}
