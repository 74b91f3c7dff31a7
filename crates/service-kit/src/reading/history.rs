//! How far the primary's log was when: that makes a time of a position, also while the primary stands idle.

use super::Position;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many looks at the primary are kept: an hour of them. A lag beyond that shows as an hour.
const KEPT: usize = 4 * 3600;

/// Looks at the primary's log, oldest first.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<(Instant, Position)>);

impl History {
    /// Notes how far the log was by an answer to a question that was asked at this moment: what was committed before the
    /// moment stands before the position.
    pub(super) fn note(&mut self, asked: Instant, position: Position) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((asked, position));
    }

    /// Who has replayed up to this position shows everything that is older than `age`. None where the primary was not
    /// looked at since.
    pub(super) fn floor(&self, now: Instant, age: Duration) -> Option<Position> {
        let recent = self.0.partition_point(|(asked, _)| now.saturating_duration_since(*asked) > age);
        self.0.get(recent).map(|(_, position)| *position)
    }

    /// How old what somebody shows who has replayed so far may be. Where they are behind all that is known, it is at least as
    /// old as that.
    pub(super) fn lag(&self, now: Instant, replayed: Option<Position>) -> Duration {
        let reached = |(_, position): &&(Instant, Position)| replayed.is_some_and(|replayed| replayed >= *position);
        let look = self.0.iter().rev().find(reached).or_else(|| self.0.front());
        look.map_or(Duration::ZERO, |(asked, _)| now.saturating_duration_since(*asked))
    }

    /// How far the log was at the last look.
    pub(super) fn newest(&self) -> Option<Position> {
        self.0.back().map(|(_, position)| *position)
    }
}

#[cfg(test)]
mod tests {
    use super::{History, KEPT};
    use crate::reading::Position;
    use std::time::{Duration, Instant};

    const SECOND: Duration = Duration::from_secs(1);

    fn at(bytes: i64) -> Position {
        Position::at(bytes)
    }

    /// Looks at seconds 0, 1, 2 and 3.
    fn history(start: Instant, positions: [i64; 4]) -> History {
        let mut history = History::default();
        positions.into_iter().zip(0..).for_each(|(bytes, second)| history.note(start + second * SECOND, at(bytes)));
        history
    }

    #[test]
    fn the_floor_is_what_was_there_before_the_bound() {
        let (start, history) = (Instant::now(), |start| history(start, [10, 20, 30, 40]));
        let history = history(start);
        assert_eq!(history.floor(start + 3 * SECOND, SECOND), Some(at(30)));
        assert_eq!(history.floor(start + 3 * SECOND + SECOND / 2, SECOND), Some(at(40)));
        assert_eq!(history.floor(start + 3 * SECOND, 60 * SECOND), Some(at(10)));
        assert_eq!(history.floor(start + 5 * SECOND, SECOND), None, "nobody knows what was written since");
        assert_eq!(History::default().floor(start, SECOND), None);
    }

    #[test]
    fn an_idle_primary_makes_nobody_late() {
        let start = Instant::now();
        let idle = history(start, [10, 10, 10, 10]);
        assert_eq!(idle.lag(start + 3 * SECOND, Some(at(10))), Duration::ZERO);
        assert_eq!(idle.floor(start + 3 * SECOND, SECOND), Some(at(10)));
    }

    #[test]
    fn the_lag_is_the_age_of_what_is_shown() {
        let start = Instant::now();
        let (now, history) = (start + 4 * SECOND, history(start, [10, 20, 30, 40]));
        for (replayed, seconds) in [(45, 1), (40, 1), (39, 2), (20, 3), (10, 4), (9, 4)] {
            assert_eq!(history.lag(now, Some(at(replayed))), seconds * SECOND, "{replayed}");
        }
        assert_eq!(history.lag(now, None), 4 * SECOND);
        assert_eq!(History::default().lag(now, None), Duration::ZERO);
        assert_eq!(history.newest(), Some(at(40)));
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let (start, mut history) = (Instant::now(), History::default());
        (0..2 * KEPT).for_each(|_| history.note(start, at(1)));
        assert_eq!(history.0.len(), KEPT);
    }
}
