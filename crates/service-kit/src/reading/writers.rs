//! Who has written through this process a moment ago. They read at the primary, also where they do not say by `Read-After`
//! what they have to see.

use crate::access::Principal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long a write is remembered.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Whose writes are remembered. A person is the same by a token and by an API key. Callers who do not say who they are would
/// all be one, so theirs are not.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Writer {
    Operator,
    Person(Uuid),
    Service(Arc<str>),
}

impl Writer {
    /// None of callers who do not say who they are.
    pub(super) fn of(principal: &Principal) -> Option<Self> {
        match principal {
            Principal::Nobody => None,
            Principal::LocalOperator => Some(Self::Operator),
            Principal::User(user) => Some(Self::Person(user.id)),
            Principal::Service(name) => Some(Self::Service(name.clone())),
        }
    }
}

/// When each writer last wrote.
#[derive(Debug, Default)]
pub(super) struct Writers(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    last: HashMap<Writer, Instant>,
    swept: Option<Instant>,
}

impl Writers {
    /// Remembers a write.
    pub(super) fn wrote(&self, writer: Writer, now: Instant) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.swept.is_none_or(|swept| now.saturating_duration_since(swept) > REMEMBERED) {
            remembered.swept = Some(now);
            remembered.last.retain(|_, last| now.saturating_duration_since(*last) <= REMEMBERED);
        }
        remembered.last.insert(writer, now);
    }

    /// Whether they wrote a moment ago.
    pub(super) fn wrote_lately(&self, writer: &Writer, now: Instant) -> bool {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.last.get(writer).is_some_and(|last| now.saturating_duration_since(*last) <= REMEMBERED)
    }
}

#[cfg(test)]
mod tests {
    use super::{REMEMBERED, Writer, Writers};
    use crate::access::{ApiKey, Principal, User};
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::{Duration, Instant};
    use uuid::Uuid;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn a_write_is_remembered_for_a_second_and_then_forgotten() {
        let (writers, start) = (Writers::default(), Instant::now());
        let [ada, bob] = [(); 2].map(|()| Writer::Person(Uuid::now_v7()));
        writers.wrote(ada.clone(), start);
        assert!(writers.wrote_lately(&ada, start + REMEMBERED) && !writers.wrote_lately(&bob, start));
        let later = start + REMEMBERED + MOMENT;
        assert!(!writers.wrote_lately(&ada, later));
        writers.wrote(bob, later);
        assert_eq!(writers.0.lock().unwrap().last.len(), 1, "nothing is kept of who wrote long ago");
    }

    #[test]
    fn a_person_is_the_same_with_a_key_and_nobody_is_not_remembered() {
        let user = |key| User { id: Uuid::nil(), session: None, roles: BTreeSet::new(), authenticated_at: None, key };
        let key = ApiKey { id: Uuid::now_v7(), scopes: BTreeSet::new(), networks: Vec::new() };
        let [by_token, by_key] = [None, Some(key)].map(|key| Writer::of(&Principal::User(Arc::new(user(key)))));
        assert_eq!(by_token, by_key);
        assert_eq!(Writer::of(&Principal::Nobody), None);
    }
}
