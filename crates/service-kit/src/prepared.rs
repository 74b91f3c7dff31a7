//! Whether the service has done its first steps in the database; until then the API answers 503.

use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once the schema is up to date; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Prepared(Arc<AtomicBool>);

impl Prepared {
    /// From now on requests are served.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Says what is missing, for `/health/ready`.
    pub fn check(&self) -> Result<(), String> {
        if self.0.load(Ordering::Acquire) {
            return Ok(());
        }
        Err("the database has not been brought up to date yet".to_owned())
    }
}

/// Middleware: refuses requests to `/api/` with 503 until the service is prepared.
pub(crate) async fn refuse_until_prepared(State(prepared): State<Prepared>, request: Request, next: Next) -> Response {
    match prepared.check() {
        Err(reason) if request.uri().path().starts_with("/api/") => Problem::unavailable(reason).into_response(),
        _ => next.run(request).await,
    }
}
