//! What can go wrong with orders, and the two places that say what becomes of it: for a client, and for a message.

use crate::orders::domain::ChangedTotal;
use crate::payments;
use axum::http::StatusCode;
use service_kit::batcher::Blame;
use service_kit::consumer::Decision;
use service_kit::fault::Fault;
use service_kit::module_error;
use service_kit::problem::Problem;
use shared_types::reservations::{ShortLine, ShortStock};
use shared_types::{InvalidTransition, OrderId, OrderStatus};
use std::sync::Arc;

/// An error of the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing of its own.
    #[error(transparent)]
    Fault(Fault),
    /// There is no such order.
    #[error("order {0} does not exist")]
    UnknownOrder(OrderId),
    /// A link leads to no order: it is not one of ours, has expired, or the order is in an account by now.
    #[error("the order of this link does not exist, or is in an account")]
    UnknownLink,
    /// The code is not that of the order.
    #[error("the code is not the one in the e-mails about this order")]
    BadCode,
    /// Too many codes were wrong; the next is looked at after so many seconds.
    #[error("too many codes were wrong; try again later")]
    TooManyCodes(u32),
    /// The life of an order does not allow it.
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    /// The order is accepted, and its stock not reserved yet.
    #[error("order {0} is not placed yet; until then it can only be cancelled")]
    NotPlacedYet(OrderId),
    /// The stock of the order was released under it.
    #[error("order {0} has lost its stock: the reservation was released")]
    StockReleased(OrderId),
    /// The order has to be paid first.
    #[error("order {0} has to be paid first")]
    PaymentRequired(OrderId),
    /// Somebody says by hand that an order is paid.
    #[error("order {0} becomes PAID by its payment only")]
    PaidByHand(OrderId),
    /// The order has left the house or was cancelled.
    #[error("an order that is {0} gets no payment")]
    NotToBePaid(OrderStatus),
    /// The order goes on already.
    #[error("an order that is {0} can only be paid at the door")]
    OnlyAtTheDoor(OrderStatus),
    /// The order does not wait for its money.
    #[error("the payment of an order that is {0} cannot be called off; cancel the order instead")]
    NotToBeVoided(OrderStatus),
    /// The order is not confirmed yet.
    #[error("nothing is collected for an order that is {0}")]
    NotToBeCollected(OrderStatus),
    /// What can go wrong with its payment.
    #[error(transparent)]
    Payment(#[from] payments::Error),
    /// The order is shipped or cancelled.
    #[error("the {0} of an order that is {1} cannot be changed")]
    FieldIsFinal(&'static str, OrderStatus),
    /// Inventory-service has less than was asked for.
    #[error("{detail}")]
    InsufficientStock {
        detail: String,
        /// The lines that lack stock.
        items: Vec<ShortLine>,
    },
    /// The prices are not those that the customer was shown.
    #[error("the order costs {} now", .0.total_amount)]
    TotalChanged(ChangedTotal),
    /// A product does not exist or is not sold.
    #[error("{0}")]
    UnknownProduct(String),
    /// A duplicate request of another hour was written first.
    #[error("another request with the same Idempotency-Key was quicker; try again")]
    DuplicateRequest,
    /// The stock was reserved too long ago for the order to be written safely.
    #[error("the placement took too long and was given up; try again")]
    PlacedTooLate,
    /// Inventory-service did not answer, or not in time.
    #[error("inventory-service is not available: {0}")]
    InventoryUnavailable(String),
    /// Account-service did not answer, or not in time.
    #[error("account-service is not available: {0}")]
    AccountsUnavailable(String),
    /// Inventory-service answered with what is not in its contract.
    #[error("inventory-service answered unexpectedly: {0}")]
    InventoryAnswer(String),
    /// The batch the request was in failed as a whole.
    #[error(transparent)]
    Batch(Arc<Error>),
}

module_error!(batched Error, "idempotency_keys_pkey" => DuplicateRequest);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        let conflict = |slug: &str, title| Problem::new(StatusCode::CONFLICT, slug, title, self);
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::UnknownOrder(id) => Problem::not_found(format!("order {id}")),
            Self::UnknownLink => Problem::not_found("the order of this link"),
            Self::BadCode => Problem::new(StatusCode::BAD_REQUEST, "bad-code", "Bad code", self),
            Self::TooManyCodes(seconds) => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                let mut problem = Problem::new(status, "too-many-tries", "Too many tries", self);
                problem.retry_after = Some(*seconds);
                problem
            }
            Self::PaymentRequired(_) => conflict("payment-required", "Payment required"),
            Self::Payment(error) => error.problem(),
            Self::Transition(_)
            | Self::PaidByHand(_)
            | Self::NotToBePaid(_)
            | Self::OnlyAtTheDoor(_)
            | Self::NotToBeVoided(_)
            | Self::NotToBeCollected(_) => conflict("invalid-transition", "Status change not allowed"),
            Self::NotPlacedYet(_) => conflict("not-placed-yet", "Not placed yet"),
            Self::StockReleased(_) => conflict("stock-released", "Stock released"),
            Self::FieldIsFinal(field, _) => {
                conflict(&format!("{}-is-final", field.replace(' ', "-")), "Cannot be changed any more")
            }
            Self::InsufficientStock { items, .. } => {
                conflict("insufficient-stock", "Insufficient stock").with(&ShortStock { items: items.clone() })
            }
            Self::TotalChanged(changed) => conflict("total-changed", "Total changed").with(changed),
            Self::UnknownProduct(_) => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-product", "Unknown product", self)
            }
            Self::DuplicateRequest
            | Self::PlacedTooLate
            | Self::InventoryUnavailable(_)
            | Self::AccountsUnavailable(_) => Problem::unavailable(self),
            Self::InventoryAnswer(_) => Problem::unexpected(self),
            Self::Batch(error) => error.problem(),
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::Payment(error) => error.decision(),
            Self::Transition(_) => Decision::Ack,
            Self::InventoryUnavailable(_)
            | Self::AccountsUnavailable(_)
            | Self::InventoryAnswer(_)
            | Self::PlacedTooLate
            | Self::DuplicateRequest => Decision::Retry,
            Self::UnknownOrder(_)
            | Self::UnknownLink
            | Self::BadCode
            | Self::TooManyCodes(_)
            | Self::NotPlacedYet(_)
            | Self::StockReleased(_)
            | Self::FieldIsFinal(..)
            | Self::PaymentRequired(_)
            | Self::PaidByHand(_)
            | Self::NotToBePaid(_)
            | Self::OnlyAtTheDoor(_)
            | Self::NotToBeVoided(_)
            | Self::NotToBeCollected(_)
            | Self::InsufficientStock { .. }
            | Self::TotalChanged(_)
            | Self::UnknownProduct(_) => Decision::DeadLetter,
            Self::Batch(error) => error.decision(),
        }
    }

    /// Whose doing it is when a batch fails with this.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Fault(fault) => fault.blame(),
            Self::Payment(error) => error.blame(),
            Self::InventoryUnavailable(_) => Blame::Everybody,
            Self::DuplicateRequest => Blame::Nobody,
            _ => Blame::Somebody,
        }
    }
}
