//! The body with reservations whose term is over, and what is to become of them.

use super::changes::{Action, Change};
use service_kit::validation::FieldErrors;
use shared_types::reservations::{MAX_BATCH, Settlement};

/// The changes to make, in order, or what is wrong with their number.
pub fn changes_of(settlement: &Settlement, traceparent: Option<&str>) -> Result<Vec<Change>, FieldErrors> {
    let all = settlement.commit.len() + settlement.release.len();
    if all > MAX_BATCH {
        let message = format!("must have at most {MAX_BATCH} reservations, with those of commit");
        return Err(FieldErrors::one("release", message));
    }
    if settlement.release.iter().any(|reference| settlement.commit.contains(reference)) {
        return Err(FieldErrors::one("release", "must name no reservation that commit names"));
    }
    let change = |action| {
        move |reference: &_| Change { reference: *reference, action, traceparent: traceparent.map(str::to_owned) }
    };
    let commits = settlement.commit.iter().map(change(Action::Commit));
    Ok(commits.chain(settlement.release.iter().map(change(Action::Abandon))).collect())
}

#[cfg(test)]
mod tests {
    use super::changes_of;
    use shared_types::Reference;
    use shared_types::reservations::Settlement;

    #[test]
    fn a_settlement_has_at_most_256_reservations() {
        for (commit, release, fits) in [(0, 0, true), (1, 0, true), (0, 1, true), (128, 128, true), (128, 129, false)] {
            let [commit, release] = [commit, release].map(|count| vec![Reference::random(); count]);
            let all = commit.len() + release.len();
            let changes = changes_of(&Settlement { commit, release }, None);
            assert_eq!(changes.ok().map(|changes| changes.len()), fits.then_some(all), "{all}");
        }
    }
}
