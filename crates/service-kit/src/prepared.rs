//! Whether the service has done its first steps in the database; until then the API answers 503.

use crate::problem::Problem;
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

    /// 503 for requests to `/api/` until the service is prepared.
    pub(crate) fn refusal(&self, path: &str) -> Option<Problem> {
        if path.starts_with("/api/") { self.check().err().map(Problem::unavailable) } else { None }
    }
}
