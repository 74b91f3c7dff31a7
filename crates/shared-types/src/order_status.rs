//! The life of an order as a state machine: the one place that knows which status may follow which.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum OrderStatus {
    /// Placed: the stock is held, the commitment is on its way.
    Pending,
    /// What had to be paid first is paid; the stock is not committed yet.
    Paid,
    /// Inventory-service has committed the stock, and what had to be paid first is paid.
    Confirmed,
    /// On its way to the customer.
    Shipped,
    /// With the customer.
    Delivered,
    /// Called off before it was shipped; its stock goes back.
    Cancelled,
}

/// What a permitted request for a status comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// The order moves on to this status.
    To(OrderStatus),
    /// It was there already: nothing happens, nothing is recorded.
    None,
}

/// A change of status that the life of an order does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an order that is {from} cannot become {to}")]
pub struct InvalidTransition {
    /// The status the order has.
    pub from: OrderStatus,
    /// The status that was asked for.
    pub to: OrderStatus,
}

impl OrderStatus {
    /// Every status, in the order of an order's life.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Paid, Self::Confirmed, Self::Shipped, Self::Delivered, Self::Cancelled];

    /// Decides on a request to change to `to`: forwards (also skipping) is allowed, cancelling until shipped.
    pub fn transition(self, to: Self) -> Result<Transition, InvalidTransition> {
        use OrderStatus::{Cancelled, Confirmed, Delivered, Paid, Pending, Shipped};
        match (self, to) {
            (from, to) if from == to => Ok(Transition::None),
            (Pending, Paid | Confirmed | Shipped | Delivered | Cancelled)
            | (Paid, Confirmed | Shipped | Delivered | Cancelled)
            | (Confirmed, Shipped | Delivered | Cancelled)
            | (Shipped, Delivered) => Ok(Transition::To(to)),
            (from, to) => Err(InvalidTransition { from, to }),
        }
    }

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::Confirmed => "CONFIRMED",
            Self::Shipped => "SHIPPED",
            Self::Delivered => "DELIVERED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no status.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be one of PENDING, PAID, CONFIRMED, SHIPPED, DELIVERED, CANCELLED")]
pub struct UnknownStatus;

impl FromStr for OrderStatus {
    type Err = UnknownStatus;

    /// Reads a status in any case, as it stands in a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownStatus)
    }
}

#[cfg(test)]
mod tests {
    use super::{OrderStatus, Transition};

    #[test]
    fn the_transition_table_is_exactly_this() {
        let allowed: Vec<String> = OrderStatus::ALL
            .into_iter()
            .flat_map(|from| OrderStatus::ALL.map(|to| (from, to)))
            .filter(|(from, to)| matches!(from.transition(*to), Ok(Transition::To(_))))
            .map(|(from, to)| format!("{from}>{to}"))
            .collect();
        assert_eq!(
            allowed,
            [
                "PENDING>PAID",
                "PENDING>CONFIRMED",
                "PENDING>SHIPPED",
                "PENDING>DELIVERED",
                "PENDING>CANCELLED",
                "PAID>CONFIRMED",
                "PAID>SHIPPED",
                "PAID>DELIVERED",
                "PAID>CANCELLED",
                "CONFIRMED>SHIPPED",
                "CONFIRMED>DELIVERED",
                "CONFIRMED>CANCELLED",
                "SHIPPED>DELIVERED",
            ]
        );
    }

    #[test]
    fn the_same_status_again_changes_nothing() {
        for status in OrderStatus::ALL {
            assert_eq!(status.transition(status), Ok(Transition::None));
        }
    }

    #[test]
    fn a_refusal_says_what_was_asked() {
        let refused = OrderStatus::Shipped.transition(OrderStatus::Cancelled).unwrap_err();
        assert_eq!(refused.to_string(), "an order that is SHIPPED cannot become CANCELLED");
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!("shipped".parse(), Ok(OrderStatus::Shipped));
        assert!("LOST".parse::<OrderStatus>().is_err());
    }
}
