//! What the module keeps while the service runs.

use service_kit::db::Database;

/// The API keys of people.
#[derive(Debug)]
pub struct ApiKeys {
    pub(super) db: Database,
}

impl ApiKeys {
    /// Those in this database.
    pub fn new(db: Database) -> Self {
        Self { db }
    }
}
