//! Tokens that were verified a moment ago: the next request with one costs a hash and a look-up.

use super::revocations::{Facts, Revocations};
use crate::access::Principal;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// How long a token is taken for what it was, in seconds.
const LONGEST: i64 = 60;

/// Tokens remembered at once.
const MOST: usize = 10_000;

/// Parts with a lock of their own, so that requests do not wait for each other.
const PARTS: usize = 16;

/// A token's hash: the tokens themselves are not kept.
pub(super) type Fingerprint = [u8; 32];

/// The hash of a token.
pub(super) fn fingerprint(token: &str) -> Fingerprint {
    Sha256::digest(token.as_bytes()).into()
}

#[derive(Debug)]
struct Entry {
    principal: Principal,
    until: i64,
    facts: Facts,
    /// Up to which revocation it was looked whether the token is among them.
    generation: AtomicU64,
}

/// Principals by the hashes of their tokens.
#[derive(Debug)]
pub(super) struct Cache([RwLock<HashMap<Fingerprint, Entry>>; PARTS]);

impl Cache {
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| RwLock::default()))
    }

    /// Whose token it is, if that was found out a moment ago and nothing was revoked since.
    pub fn get(&self, token: &Fingerprint, now: i64, revocations: &Revocations) -> Option<Principal> {
        let part = self.part(token).read().unwrap_or_else(PoisonError::into_inner);
        let entry = part.get(token).filter(|entry| now < entry.until)?;
        let generation = revocations.generation();
        if entry.generation.load(Ordering::Relaxed) != generation {
            if revocations.include(&entry.facts) {
                return None;
            }
            entry.generation.store(generation, Ordering::Relaxed);
        }
        Some(entry.principal.clone())
    }

    /// Remembers whose token it is, until it expires, at the most for a minute. `generation` is that of before it was
    /// held against the revocations.
    pub fn put(&self, token: Fingerprint, principal: Principal, facts: Facts, times: (i64, i64), generation: u64) {
        let (now, expires) = times;
        let until = expires.min(now + LONGEST);
        let mut part = self.part(&token).write().unwrap_or_else(PoisonError::into_inner);
        if part.len() >= MOST / PARTS {
            part.retain(|_, entry| now < entry.until);
            // Nothing is old: as many are begun anew as would otherwise have to be looked at for each one.
            if part.len() >= MOST / PARTS {
                part.clear();
            }
        }
        part.insert(token, Entry { principal, until, facts, generation: AtomicU64::new(generation) });
    }

    fn part(&self, token: &Fingerprint) -> &RwLock<HashMap<Fingerprint, Entry>> {
        &self.0[usize::from(token[0]) % PARTS]
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, MOST, fingerprint};
    use crate::access::Principal;
    use crate::access::tokens::revocations::{Facts, Revocation, Revocations};
    use uuid::Uuid;

    fn facts(session: Uuid) -> Facts {
        Facts { session: Some(session), subject: None, kid: "k".to_owned(), issued_at: 0 }
    }

    fn service() -> Principal {
        Principal::Service("order-service".into())
    }

    #[test]
    fn a_token_is_remembered_for_a_minute_and_never_beyond_its_end() {
        let (cache, revocations) = (Cache::new(), Revocations::default());
        let (long, short) = (fingerprint("long"), fingerprint("short"));
        cache.put(long, service(), facts(Uuid::nil()), (100, 700), 0);
        cache.put(short, service(), facts(Uuid::nil()), (100, 110), 0);
        let known = |token, now| cache.get(token, now, &revocations).is_some();
        assert!(known(&long, 159) && known(&short, 109));
        assert!(!known(&long, 160) && !known(&short, 110));
        assert!(!known(&fingerprint("other"), 100));
    }

    #[test]
    fn what_is_revoked_is_forgotten_and_nothing_else() {
        let (cache, revocations) = (Cache::new(), Revocations::default());
        let (revoked, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let before = revocations.generation();
        for session in [revoked, other] {
            cache.put(fingerprint(&session.to_string()), service(), facts(session), (100, 700), before);
        }
        revocations.add([Revocation::session(revoked, 1_000)]);
        let known = |session: Uuid| cache.get(&fingerprint(&session.to_string()), 101, &revocations).is_some();
        assert!(!known(revoked) && known(other));
        // Put by somebody who looked before it was revoked.
        cache.put(fingerprint("late"), service(), facts(revoked), (100, 700), before);
        assert!(cache.get(&fingerprint("late"), 101, &revocations).is_none());
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let cache = Cache::new();
        for n in 0..3 * MOST {
            cache.put(fingerprint(&n.to_string()), service(), facts(Uuid::nil()), (100, 700), 0);
        }
        let entries: usize = cache.0.iter().map(|part| part.read().unwrap().len()).sum();
        assert!((1..=MOST).contains(&entries), "{entries}");
    }
}
