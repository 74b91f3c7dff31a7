//! What a ledger has to tell after a change, and the ids of what is new in it.

use crate::hooks::Happened;
use crate::journal::Record;
use std::time::{SystemTime, UNIX_EPOCH};

/// What changed, to be written down, and what happened, to be told.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub records: Vec<Record>,
    pub happened: Vec<Happened>,
}

/// Gives ids in rising order, also over restarts.
#[derive(Debug)]
pub(crate) struct Ids {
    since: u128,
    given: u32,
}

impl Default for Ids {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_millis()).unwrap_or_default();
        Self { since, given: 0 }
    }
}

impl Ids {
    pub(crate) fn next(&mut self, prefix: &str) -> String {
        self.given += 1;
        format!("{prefix}_{:011x}{:07x}", self.since, self.given)
    }
}
