//! When a key is made, signs and goes.

use time::{Duration, OffsetDateTime};

/// A key is published so long before it signs: whoever keeps the published keys for less knows it in time.
pub const PUBLISHED_BEFORE: Duration = Duration::DAY;

/// A key signs for so long.
pub const SIGNS: Duration = Duration::days(30);

/// A key stays published so long after it signed last.
pub const KEPT_AFTER: Duration = Duration::DAY;

/// The times of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// Verifiers see it from then on.
    pub published_at: OffsetDateTime,
    /// It signs from then on.
    pub signs_from: OffsetDateTime,
    /// It signs no more.
    pub signs_until: OffsetDateTime,
    /// Verifiers no longer see it.
    pub gone_at: OffsetDateTime,
}

impl Times {
    /// Those of a key that is published now and signs from then on.
    pub fn new(now: OffsetDateTime, signs_from: OffsetDateTime) -> Self {
        let signs_until = signs_from + SIGNS;
        Self { published_at: now, signs_from, signs_until, gone_at: signs_until + KEPT_AFTER }
    }
}

/// The key to make now, given the ends of signing of those that are there; nothing while they last. Where none signs, the
/// new one signs at once.
pub fn due(now: OffsetDateTime, last_signs_until: Option<OffsetDateTime>) -> Option<Times> {
    match last_signs_until {
        Some(until) if until - now > PUBLISHED_BEFORE => None,
        Some(until) => Some(Times::new(now, until.max(now))),
        None => Some(Times::new(now, now)),
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT_AFTER, PUBLISHED_BEFORE, SIGNS, due};
    use time::{Duration, OffsetDateTime};

    #[test]
    fn a_key_follows_another_without_a_gap_and_is_known_a_day_before() {
        let start = OffsetDateTime::UNIX_EPOCH;
        let first = due(start, None).unwrap();
        assert_eq!((first.published_at, first.signs_from, first.signs_until), (start, start, start + SIGNS));
        assert_eq!(first.gone_at, first.signs_until + KEPT_AFTER);
        let early = first.signs_until - PUBLISHED_BEFORE;
        assert_eq!(due(early - Duration::SECOND, Some(first.signs_until)), None);
        let second = due(early, Some(first.signs_until)).unwrap();
        assert_eq!((second.published_at, second.signs_from), (early, first.signs_until));
        assert_eq!(due(early, Some(second.signs_until)), None, "made once");
    }

    #[test]
    fn after_a_pause_a_new_key_signs_at_once() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(400);
        assert_eq!(due(now, Some(OffsetDateTime::UNIX_EPOCH)).unwrap().signs_from, now);
    }
}
