//! What the module keeps while the service runs.

use crate::signing_keys::SigningKeys;
use service_kit::db::Database;
use service_kit::proxies::TrustedProxies;
use std::sync::Arc;

/// The API keys of people.
#[derive(Debug)]
pub struct ApiKeys {
    pub(super) db: Database,
    pub(super) signing_keys: Arc<SigningKeys>,
    pub(super) proxies: TrustedProxies,
}

impl ApiKeys {
    /// Those in this database, with what their tokens are signed by.
    pub fn new(db: Database, signing_keys: Arc<SigningKeys>, proxies: TrustedProxies) -> Self {
        Self { db, signing_keys, proxies }
    }
}
