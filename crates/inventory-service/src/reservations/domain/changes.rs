//! The life of a reservation as a state machine: the one place that knows what may become of one.

use shared_types::Reference;
use shared_types::reservations::ReservationStatus;
use std::fmt;

/// What is to become of a reservation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Its order exists: the stock is the order's.
    Commit,
    /// Its order does not exist: the stock goes back.
    Release,
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

/// What a permitted action comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// The reservation moves on to this status.
    To(ReservationStatus),
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
            Self::Commit => "committed",
            Self::Release => "released",
            Self::Cancel => "cancelled",
        })
    }
}

impl Action {
    /// Decides on the action for a reservation of this status.
    pub fn on(self, from: ReservationStatus) -> Result<Transition, InvalidTransition> {
        use ReservationStatus::{Committed, Held, Released};
        match (self, from) {
            (Self::Commit, Held) => Ok(Transition::To(Committed)),
            (Self::Release, Held) | (Self::Cancel, Held | Committed) => Ok(Transition::To(Released)),
            (Self::Commit, Committed) | (Self::Release | Self::Cancel, Released) => Ok(Transition::None),
            (Self::Commit, Released) | (Self::Release, Committed) => Err(InvalidTransition { from, action: self }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Transition};
    use shared_types::reservations::ReservationStatus;

    #[test]
    fn the_transition_table_is_exactly_this() {
        let outcome = |action: Action, from| match action.on(from) {
            Ok(Transition::To(to)) => format!("{from} {action}: {to}"),
            Ok(Transition::None) => format!("{from} {action}: stays"),
            Err(refused) => refused.to_string(),
        };
        let table: Vec<_> = [Action::Commit, Action::Release, Action::Cancel]
            .into_iter()
            .flat_map(|action| ReservationStatus::ALL.map(|from| outcome(action, from)))
            .collect();
        assert_eq!(
            table,
            [
                "HELD committed: COMMITTED",
                "COMMITTED committed: stays",
                "a reservation that is RELEASED cannot be committed",
                "HELD released: RELEASED",
                "a reservation that is COMMITTED cannot be released",
                "RELEASED released: stays",
                "HELD cancelled: RELEASED",
                "COMMITTED cancelled: RELEASED",
                "RELEASED cancelled: stays",
            ]
        );
    }
}
