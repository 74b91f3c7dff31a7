//! What was taken back before its time: sessions, everything of a user until a moment, and keys.

pub(super) mod table;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use uuid::Uuid;

/// By what a token can be revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    pub session: Option<Uuid>,
    pub subject: Option<Uuid>,
    pub kid: String,
    /// Seconds since 1970.
    pub issued_at: i64,
}

/// What a revocation is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kind {
    Session,
    Subject,
    Key,
}

impl Kind {
    /// As the table has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "sid",
            Self::Subject => "sub",
            Self::Key => "kid",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        [Self::Session, Self::Subject, Self::Key].into_iter().find(|kind| kind.name() == name)
    }
}

/// One of them. Times are seconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Revocation {
    pub kind: Kind,
    /// Of the session, the user or the key.
    pub id: String,
    /// Tokens signed up to then; none for all.
    pub issued_until: Option<i64>,
    /// When no such token can be left.
    pub until: i64,
}

impl Revocation {
    /// A session, with all of its tokens.
    #[cfg(test)]
    pub fn session(id: Uuid, until: i64) -> Self {
        Self { kind: Kind::Session, id: id.to_string(), issued_until: None, until }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    issued_until: i64,
    until: i64,
}

#[derive(Debug, Default)]
struct Sets {
    sessions: HashMap<Uuid, Entry>,
    subjects: HashMap<Uuid, Entry>,
    keys: HashMap<String, Entry>,
}

/// Every revocation that still matters, in memory.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    sets: RwLock<Sets>,
    generation: AtomicU64,
}

impl Revocations {
    /// Changes with each revocation that was not known before. Read it before asking [`Self::include`], and an answer is
    /// good as long as it stays.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether a token is revoked.
    pub fn include(&self, token: &Facts) -> bool {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        let session = token.session.and_then(|id| sets.sessions.get(&id));
        let subject = token.subject.and_then(|id| sets.subjects.get(&id));
        let entries = [session, subject, sets.keys.get(&token.kid)];
        // A token of the same second may have been signed before it.
        entries.into_iter().flatten().any(|entry| token.issued_at <= entry.issued_until)
    }

    /// Adds what is not there yet. Gives whether a key is among that.
    pub fn add(&self, revocations: impl IntoIterator<Item = Revocation>) -> bool {
        let mut sets = self.sets.write().unwrap_or_else(PoisonError::into_inner);
        let (mut changed, mut keys) = (false, false);
        for Revocation { kind, id, issued_until, until } in revocations {
            let new = Entry { issued_until: issued_until.unwrap_or(i64::MAX), until };
            changed |= match (kind, id.parse()) {
                (Kind::Key, _) => {
                    let new = put(&mut sets.keys, id, new);
                    keys |= new;
                    new
                }
                (Kind::Session, Ok(id)) => put(&mut sets.sessions, id, new),
                (Kind::Subject, Ok(id)) => put(&mut sets.subjects, id, new),
                (Kind::Session | Kind::Subject, Err(_)) => false,
            };
        }
        if changed {
            self.generation.fetch_add(1, Ordering::Release);
        }
        keys
    }

    /// Forgets what no token can be left of.
    pub fn forget_until(&self, now: i64) {
        let mut sets = self.sets.write().unwrap_or_else(PoisonError::into_inner);
        sets.sessions.retain(|_, entry| entry.until > now);
        sets.subjects.retain(|_, entry| entry.until > now);
        sets.keys.retain(|_, entry| entry.until > now);
    }
}

/// Whether it says more than what was there.
fn put<Id: Eq + std::hash::Hash>(set: &mut HashMap<Id, Entry>, id: Id, new: Entry) -> bool {
    let Some(old) = set.get_mut(&id) else {
        set.insert(id, new);
        return true;
    };
    let more = new.issued_until > old.issued_until;
    old.issued_until = old.issued_until.max(new.issued_until);
    old.until = old.until.max(new.until);
    more
}

#[cfg(test)]
mod tests {
    use super::{Facts, Kind, Revocation, Revocations};
    use uuid::Uuid;

    fn facts() -> Facts {
        Facts {
            session: Some(Uuid::from_u128(1)),
            subject: Some(Uuid::from_u128(2)),
            kid: "k".to_owned(),
            issued_at: 100,
        }
    }

    fn revocation(kind: Kind, id: &str, issued_until: Option<i64>) -> Revocation {
        Revocation { kind, id: id.to_owned(), issued_until, until: 1_000 }
    }

    #[test]
    fn a_token_goes_with_its_session_its_owner_or_its_key() {
        let (session, subject) = (Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string());
        for (kind, id) in [(Kind::Session, session.as_str()), (Kind::Subject, &subject), (Kind::Key, "k")] {
            let revocations = Revocations::default();
            revocations.add([revocation(kind, "other", None), revocation(kind, &Uuid::nil().to_string(), None)]);
            assert!(!revocations.include(&facts()), "{kind:?}");
            revocations.add([revocation(kind, id, None)]);
            assert!(revocations.include(&facts()), "{kind:?}");
            revocations.forget_until(1_000);
            assert!(!revocations.include(&facts()), "{kind:?}");
        }
    }

    #[test]
    fn what_was_signed_after_the_change_is_good() {
        let revocations = Revocations::default();
        let subject = Uuid::from_u128(2).to_string();
        let signed = |issued_at| revocations.include(&Facts { issued_at, ..facts() });
        revocations.add([revocation(Kind::Subject, &subject, Some(100))]);
        assert!(signed(99) && signed(100) && !signed(101));
        revocations.add([revocation(Kind::Subject, &subject, Some(50))]);
        assert!(signed(100), "an older one takes nothing back");
        revocations.add([revocation(Kind::Subject, &subject, Some(200))]);
        assert!(signed(200) && !signed(201));
    }

    #[test]
    fn only_news_make_others_look_again() {
        let revocations = Revocations::default();
        let one = revocation(Kind::Key, "k", None);
        revocations.add([one.clone()]);
        let generation = revocations.generation();
        revocations.add([one]);
        assert_eq!(revocations.generation(), generation);
        revocations.add([revocation(Kind::Key, "l", None)]);
        assert_ne!(revocations.generation(), generation);
    }
}
