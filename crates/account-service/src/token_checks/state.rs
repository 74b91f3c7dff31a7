//! What the module keeps while the service runs.

use service_kit::access::tokens::Verifier;
use service_kit::db::Database;

/// The module's part of the application state.
#[derive(Debug)]
pub struct TokenChecks {
    pub(super) db: Database,
    pub(super) verifier: Verifier,
}

impl TokenChecks {
    /// Puts together what the checks need.
    pub fn new(db: Database, verifier: Verifier) -> Self {
        Self { db, verifier }
    }
}
