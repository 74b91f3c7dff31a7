//! What the module keeps while the service runs: the answers to reads of single products.

use super::cache::ProductCache;
use service_kit::db::Database;
use shared_types::ProductId;

/// The module's part of the application state.
#[derive(Debug)]
pub struct Products {
    pub(super) db: Database,
    /// Answers to reads of single products; told of every change.
    pub(super) cache: ProductCache,
}

impl Products {
    /// Connects to nothing yet.
    pub fn new(db: Database) -> Self {
        Self { db, cache: ProductCache::default() }
    }

    /// To be told after the commit, and before the answer, of every product that was changed or whose stock moved.
    pub fn changed(&self, products: impl IntoIterator<Item = ProductId>) {
        self.cache.changed(products);
    }
}
