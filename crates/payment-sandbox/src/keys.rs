//! Idempotency keys as Stripe keeps them: the first status and body once execution began, 402 and 500 included.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// After this long nobody should count on a key any more.
const TRUSTED: Duration = Duration::from_secs(23 * 3600);

/// What became of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Kept {
    InFlight,
    Answered(u16, String),
}

/// A key with its request.
#[derive(Clone, Debug)]
struct Entry {
    request: String,
    kept: Kept,
    since: Instant,
}

/// What a call with a key comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claim {
    /// It is the first.
    First,
    /// It is a repeat: this is the answer.
    Repeat(u16, String),
    /// The first is under way.
    InFlight,
    /// The key is that of another request.
    Reused,
    /// The key is so old that it may be forgotten at any time.
    TooOld,
}

/// The keys.
#[derive(Clone, Debug, Default)]
pub struct Keys(BTreeMap<String, Entry>);

impl Keys {
    /// Takes a key for a request.
    pub fn claim(&mut self, key: &str, request: &str) -> Claim {
        match self.0.get(key) {
            None => {
                let entry = Entry { request: request.to_owned(), kept: Kept::InFlight, since: Instant::now() };
                self.0.insert(key.to_owned(), entry);
                Claim::First
            }
            Some(entry) if entry.request != request => Claim::Reused,
            Some(entry) if entry.since.elapsed() > TRUSTED => Claim::TooOld,
            Some(Entry { kept: Kept::InFlight, .. }) => Claim::InFlight,
            Some(Entry { kept: Kept::Answered(status, body), .. }) => Claim::Repeat(*status, body.clone()),
        }
    }

    /// Keeps the answer of a claimed key.
    pub fn answered(&mut self, key: &str, status: u16, body: &str) {
        if let Some(entry) = self.0.get_mut(key) {
            entry.kept = Kept::Answered(status, body.to_owned());
        }
    }

    /// Forgets a key whose request never began.
    pub fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Forgets all.
    pub fn prune(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, Keys};

    #[test]
    fn the_first_answer_stands() {
        let mut keys = Keys::default();
        assert_eq!(keys.claim("a", "POST /x 1"), Claim::First);
        assert_eq!(keys.claim("a", "POST /x 1"), Claim::InFlight);
        keys.answered("a", 402, "declined");
        assert_eq!(keys.claim("a", "POST /x 1"), Claim::Repeat(402, "declined".to_owned()));
        assert_eq!(keys.claim("a", "POST /x 2"), Claim::Reused);
        keys.prune();
        assert_eq!(keys.claim("a", "POST /x 2"), Claim::First);
    }
}
