//! What the module keeps while the service runs.

use service_kit::db::Database;

/// The addresses of people.
#[derive(Debug)]
pub struct Addresses {
    pub(super) db: Database,
}

impl Addresses {
    /// Those in this database.
    pub fn new(db: Database) -> Self {
        Self { db }
    }
}
