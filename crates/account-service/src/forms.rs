//! Bodies that are forms, as the calls of OAuth have them (RFC 6749, appendix B).

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use service_kit::contract::FORM;
use service_kit::extract::{Refused, check_coding};
use service_kit::problem::Problem;

/// The fields of a form.
#[derive(Debug)]
pub struct Form(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        check_content(request.headers()).map_err(IntoResponse::into_response)?;
        let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        Ok(Self(url::form_urlencoded::parse(&body).into_owned().collect()))
    }
}

fn check_content(headers: &HeaderMap) -> Result<(), Refused> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(FORM) {
        let mut problem = Problem::unsupported_media_type();
        problem.detail = format!("the body must be sent with Content-Type: {FORM}");
        return Err(problem.into());
    }
    check_coding(headers)
}
