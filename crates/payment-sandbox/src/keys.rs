//! Idempotency keys: each stands for one request, and keeps its answer.

use crate::hooks::Provider;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// In seconds. A provider may forget a key after a day, so nobody should count on one much longer than this.
const TRUSTED: u64 = 23 * 3600;

/// A key with its request, and its answer once there is one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Key {
    pub provider: Provider,
    pub name: String,
    pub request: String,
    pub answer: Option<(u16, String)>,
    pub since: u64,
}

/// What a call with a key is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Claim {
    /// The first with this key.
    First,
    /// A repeat, with the answer of the first.
    Repeat(u16, String),
    /// A repeat while the first is under way.
    InFlight,
    /// Another request than the first.
    Reused,
}

/// All keys.
#[derive(Debug, Default)]
pub(crate) struct Keys(BTreeMap<(Provider, String), Key>);

impl Keys {
    /// Takes a key for a request. The second value is whether the key is older than a client should rely on.
    pub(crate) fn claim(&mut self, provider: Provider, name: &str, request: &str, now: u64) -> (Claim, bool) {
        let Some(key) = self.0.get(&(provider, name.to_owned())) else {
            let (name, request) = (name.to_owned(), request.to_owned());
            self.load(Key { provider, name, request, answer: None, since: now });
            return (Claim::First, false);
        };
        let claim = match &key.answer {
            _ if key.request != request => Claim::Reused,
            None => Claim::InFlight,
            Some((status, body)) => Claim::Repeat(*status, body.clone()),
        };
        (claim, now.saturating_sub(key.since) > TRUSTED)
    }

    /// Keeps the answer of a claimed key, and gives the key to be written down.
    pub(crate) fn answered(&mut self, provider: Provider, name: &str, status: u16, body: &str) -> Option<Key> {
        let key = self.0.get_mut(&(provider, name.to_owned()))?;
        key.answer = Some((status, body.to_owned()));
        Some(key.clone())
    }

    /// Frees a claimed key whose request left nothing behind.
    pub(crate) fn free(&mut self, provider: Provider, name: &str) {
        self.0.remove(&(provider, name.to_owned()));
    }

    /// Forgets all keys that have an answer.
    pub(crate) fn prune(&mut self) {
        self.0.retain(|_, key| key.answer.is_none());
    }

    /// Makes all keys older by this many seconds.
    pub(crate) fn age(&mut self, by: u64) {
        self.0.values_mut().for_each(|key| key.since = key.since.saturating_sub(by));
    }

    /// Adds a key as it is.
    pub(crate) fn load(&mut self, key: Key) {
        self.0.insert((key.provider, key.name.clone()), key);
    }

    /// All keys that have an answer.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Key> {
        self.0.values().filter(|key| key.answer.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, Keys};
    use crate::hooks::Provider::{Razorpay, Stripe};

    #[test]
    fn the_first_answer_stands() {
        let mut keys = Keys::default();
        assert_eq!(keys.claim(Stripe, "a", "POST /x 1", 0), (Claim::First, false));
        assert_eq!(keys.claim(Stripe, "a", "POST /x 1", 0), (Claim::InFlight, false));
        assert_eq!(keys.claim(Razorpay, "a", "POST /x 1", 0), (Claim::First, false), "each provider has its own keys");
        keys.answered(Stripe, "a", 402, "declined");
        assert_eq!(keys.claim(Stripe, "a", "POST /x 1", 1), (Claim::Repeat(402, "declined".to_owned()), false));
        assert_eq!(keys.claim(Stripe, "a", "POST /x 2", 1), (Claim::Reused, false));
        keys.age(10);
        assert_eq!(keys.claim(Stripe, "a", "POST /x 1", 23 * 3600), (Claim::Repeat(402, "declined".to_owned()), false));
        assert!(keys.claim(Stripe, "a", "POST /x 1", 23 * 3600 + 1).1);
        keys.prune();
        assert_eq!(keys.claim(Stripe, "a", "POST /x 2", 1), (Claim::First, false));
    }
}
