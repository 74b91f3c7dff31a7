//! Two loads held against each other in turns.

use crate::error::{BenchError, Result};
use crate::measure::Load;
use testbed::step::Steps;

/// A load, and what was wrong with what it left behind.
pub type Counted = (Load, Vec<String>);

/// How fast a reference was, in answers per second, and what was wrong with it.
pub type Rated = (f64, Vec<String>);

/// What a reference needs of a load.
pub fn rated((load, wrong): Counted) -> Rated {
    (load.answers.per_second(), load.failures().into_iter().chain(wrong).collect())
}

/// A load between two references.
#[derive(Debug)]
pub struct Turn {
    pub load: Load,
    /// Answers per second of the reference, on average right before and right after it.
    pub reference: f64,
}

impl Turn {
    fn ratio(&self) -> f64 {
        self.load.answers.per_second() / self.reference
    }
}

/// Lets a reference and what is held against it take so many turns. Gives the one whose ratio is in the middle, and what
/// was wrong in any of them.
///
/// Two of our own loads differ by a few percent, and the speed of a shared machine by more than that from one second to
/// the next: no single turn may decide, and turns are short, so that both meet the same times.
pub async fn in_turns(
    steps: &Steps,
    turns: usize,
    mut reference: impl AsyncFnMut() -> Result<Rated>,
    mut measured: impl AsyncFnMut() -> Result<Counted>,
) -> Result<(Turn, Vec<String>)> {
    let (mut before, mut wrong) = reference().await?;
    let mut all = Vec::new();
    for number in 1..=turns {
        let (load, found) = measured().await?;
        wrong.extend(load.failures().into_iter().chain(found));
        let (after, found) = reference().await?;
        wrong.extend(found);
        let turn = Turn { load, reference: (before + after) / 2.0 };
        let (name, rate, reference) = (&turn.load.name, turn.load.answers.per_second(), turn.reference);
        steps.say(&format!("{name}, turn {number}: {rate:.0}/s against {reference:.0}/s, {:.2} times", turn.ratio()));
        all.push(turn);
        before = after;
    }
    all.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
    let middle = all.into_iter().nth(turns / 2);
    Ok((middle.ok_or_else(|| BenchError::GaveUp("no turn was taken".to_owned()))?, wrong))
}

#[cfg(test)]
mod tests {
    // Tests only: a test that cannot go on says so by a panic.
    #![allow(clippy::unwrap_used)]

    use super::{Counted, in_turns, rated};
    use crate::load::Answers;
    use crate::measure::Load;
    use testbed::step::Steps;

    fn counted(requests: u64) -> Counted {
        let load = Load {
            name: "reads".to_owned(),
            answers: Answers { requests, seconds: 1.0, ..Answers::default() },
            ..Load::default()
        };
        (load, Vec::new())
    }

    #[tokio::test]
    async fn a_turn_in_a_slow_time_does_not_decide() {
        let mut rates = [100.0, 100.0, 110.0, 100.0].into_iter();
        let reference = async || Ok((rates.next().unwrap(), Vec::new()));
        let mut requests = [90, 30, 105].into_iter();
        let measured = async || Ok(counted(requests.next().unwrap()));
        let (turn, wrong) = in_turns(&Steps::begin("turns"), 3, reference, measured).await.unwrap();
        assert_eq!((turn.load.answers.per_second(), turn.reference), (90.0, 100.0));
        assert!(wrong.is_empty());
    }

    #[tokio::test]
    async fn what_is_wrong_in_any_turn_is_told() {
        let mut references = [100, 100, 0, 100].into_iter();
        let reference = async || Ok(rated(counted(references.next().unwrap())));
        let mut requests = [100, 0, 100].into_iter();
        let measured = async || Ok(counted(requests.next().unwrap()));
        let (_, wrong) = in_turns(&Steps::begin("turns"), 3, reference, measured).await.unwrap();
        assert_eq!(wrong, ["reads: no answer at all", "reads: no answer at all"]);
    }
}
