//! Whether the process takes requests: from the end of its first steps in the database until it is to end.

use crate::problem::Problem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Set once the schema is up to date; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    set: Arc<AtomicBool>,
    ending: CancellationToken,
}

impl Prepared {
    /// Not prepared yet; the process is to end once `ending` is cancelled.
    pub(crate) fn until(ending: CancellationToken) -> Self {
        Self { set: Arc::default(), ending }
    }

    /// From now on requests are served.
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Release);
    }

    /// Says what is missing of the schema.
    pub fn check(&self) -> Result<(), String> {
        if self.set.load(Ordering::Acquire) {
            return Ok(());
        }
        Err("the database has not been brought up to date yet".to_owned())
    }

    /// Whether requests may be sent here, for `/health/ready`: not while the process starts, and not once it is to end.
    pub fn takes_requests(&self) -> bool {
        self.check().is_ok() && !self.ending.is_cancelled()
    }

    /// 503 for requests that need the tables until the service is prepared.
    pub(crate) fn refusal(&self, path: &str) -> Option<Problem> {
        let needs_tables = ["/api/", "/internal/", "/.well-known/"].iter().any(|part| path.starts_with(part));
        if needs_tables { self.check().err().map(Problem::unavailable) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::Prepared;
    use tokio_util::sync::CancellationToken;

    #[test]
    fn requests_are_taken_from_the_schema_to_the_end() {
        let ending = CancellationToken::new();
        let prepared = Prepared::until(ending.clone());
        assert!(!prepared.takes_requests() && prepared.refusal("/api/orders").is_some());
        assert!(prepared.refusal("/.well-known/jwks.json").is_some() && prepared.refusal("/health/ready").is_none());
        prepared.clone().set();
        assert!(prepared.takes_requests() && prepared.refusal("/api/orders").is_none());
        ending.cancel();
        assert!(!prepared.takes_requests());
        assert!(prepared.refusal("/api/orders").is_none(), "those in flight are finished");
    }
}
