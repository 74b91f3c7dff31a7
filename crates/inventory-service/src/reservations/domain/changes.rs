//! The life of a reservation as a state machine: the one place that knows what may become of one.

use shared_types::Reference;
use shared_types::reservations::ReservationStatus;
use std::fmt;

/// What is to become of a reservation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Its order exists: the stock is the order's.
    Commit,
    /// Somebody says so who does not know the orders.
    CommitByHand,
    /// Its order does not exist: the stock goes back.
    Release,
    /// Its term is over, and there is no order: the stock goes back, unless an order has claimed it.
    Abandon,
    /// Its order was called off: the stock goes back, committed or not.
    Cancel,
}

/// One reservation and what is to become of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub reference: Reference,
    /// What is to become of it.
    pub action: Action,
    /// W3C trace context of what caused it.
    pub traceparent: Option<String>,
}

/// Where a reservation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    pub status: ReservationStatus,
    /// It was committed by hand, and no order has claimed it since.
    pub unclaimed: bool,
}

/// What a permitted action comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// The reservation moves on.
    To(Standing),
    /// It was there already: nothing happens.
    None,
}

/// An action that the life of a reservation does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a reservation that is {from} cannot be {action}")]
pub struct InvalidTransition {
    /// The status it has.
    pub from: ReservationStatus,
    /// What was asked for.
    pub action: Action,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit | Self::CommitByHand => "committed",
            Self::Release | Self::Abandon => "released",
            Self::Cancel => "cancelled",
        })
    }
}

impl Action {
    /// Decides on the action for a reservation that stands there.
    pub fn on(self, from: Standing) -> Result<Transition, InvalidTransition> {
        use ReservationStatus::{Committed, Held, Released};
        let to = |status| Ok(Transition::To(Standing { status, unclaimed: self == Self::CommitByHand }));
        match (self, from.status) {
            (Self::Commit | Self::CommitByHand, Held) => to(Committed),
            // An order claims it.
            (Self::Commit, Committed) if from.unclaimed => to(Committed),
            (Self::Abandon, Committed) if from.unclaimed => to(Released),
            (Self::Release | Self::Abandon, Held) | (Self::Cancel, Held | Committed) => to(Released),
            (Self::Commit | Self::CommitByHand, Committed)
            | (Self::Release | Self::Abandon | Self::Cancel, Released) => Ok(Transition::None),
            (Self::Commit | Self::CommitByHand, Released) | (Self::Release | Self::Abandon, Committed) => {
                Err(InvalidTransition { from: from.status, action: self })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Standing, Transition};
    use shared_types::reservations::ReservationStatus;

    const ACTIONS: [Action; 5] =
        [Action::Commit, Action::CommitByHand, Action::Release, Action::Abandon, Action::Cancel];

    fn outcome(action: Action, from: Standing) -> String {
        let named = |it: Standing| format!("{}{}", it.status, if it.unclaimed { " unclaimed" } else { "" });
        match action.on(from) {
            Ok(Transition::To(to)) => format!("{} {action:?}: {}", named(from), named(to)),
            Ok(Transition::None) => format!("{} {action:?}: stays", named(from)),
            Err(refused) => refused.to_string(),
        }
    }

    #[test]
    fn the_transition_table_is_exactly_this() {
        let standings = ReservationStatus::ALL.map(|status| Standing { status, unclaimed: false });
        let table: Vec<_> =
            ACTIONS.into_iter().flat_map(|action| standings.map(|from| outcome(action, from))).collect();
        assert_eq!(
            table,
            [
                "HELD Commit: COMMITTED",
                "COMMITTED Commit: stays",
                "a reservation that is RELEASED cannot be committed",
                "HELD CommitByHand: COMMITTED unclaimed",
                "COMMITTED CommitByHand: stays",
                "a reservation that is RELEASED cannot be committed",
                "HELD Release: RELEASED",
                "a reservation that is COMMITTED cannot be released",
                "RELEASED Release: stays",
                "HELD Abandon: RELEASED",
                "a reservation that is COMMITTED cannot be released",
                "RELEASED Abandon: stays",
                "HELD Cancel: RELEASED",
                "COMMITTED Cancel: RELEASED",
                "RELEASED Cancel: stays",
            ]
        );
    }

    #[test]
    fn what_was_committed_by_hand_waits_for_an_order() {
        let by_hand = Standing { status: ReservationStatus::Committed, unclaimed: true };
        assert_eq!(
            ACTIONS.map(|action| outcome(action, by_hand)),
            [
                "COMMITTED unclaimed Commit: COMMITTED",
                "COMMITTED unclaimed CommitByHand: stays",
                "a reservation that is COMMITTED cannot be released",
                "COMMITTED unclaimed Abandon: RELEASED",
                "COMMITTED unclaimed Cancel: RELEASED",
            ]
        );
    }
}
