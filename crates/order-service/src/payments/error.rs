//! What can go wrong with payments, and what becomes of it: for a client, and for a message.

use super::domain::PaymentStatus;
use axum::http::StatusCode;
use service_kit::batcher::Blame;
use service_kit::consumer::Decision;
use service_kit::fault::Fault;
use service_kit::module_error;
use service_kit::problem::Problem;
use shared_types::{Money, PaymentId};

/// An error of the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing of its own.
    #[error(transparent)]
    Fault(Fault),
    /// There is no such payment.
    #[error("payment {0} does not exist")]
    UnknownPayment(PaymentId),
    /// The order is paid.
    #[error("payment {0} has all of its money")]
    AlreadyPaid(PaymentId),
    /// A payment by another method is open and under way.
    #[error("another payment of this order is under way")]
    PaymentOpen,
    /// The life of a payment does not allow it.
    #[error("payment {id} is {status}: {not}")]
    NotAllowed {
        id: PaymentId,
        /// Where it stands.
        status: PaymentStatus,
        /// What cannot be done.
        not: &'static str,
    },
    /// Not so much can be given back.
    #[error("at most {0} can be given back")]
    RefundExceedsPayment(Money),
    /// Somebody has to look at it first.
    #[error("payment {0} is under review")]
    UnderReview(PaymentId),
}

module_error!(Error,
    "payments_one_open" => PaymentOpen,
);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        let conflict = |slug, title| Problem::new(StatusCode::CONFLICT, slug, title, self);
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::UnknownPayment(id) => Problem::not_found(format!("payment {id}")),
            Self::AlreadyPaid(_) => conflict("already-paid", "Already paid"),
            Self::PaymentOpen => conflict("payment-open", "Another payment is under way"),
            Self::NotAllowed { .. } => conflict("invalid-transition", "Not allowed for this payment"),
            Self::RefundExceedsPayment(_) => conflict("refund-exceeds-payment", "More than was paid"),
            Self::UnderReview(_) => conflict("payment-under-review", "Payment under review"),
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::PaymentOpen => Decision::Retry,
            Self::UnknownPayment(_)
            | Self::AlreadyPaid(_)
            | Self::NotAllowed { .. }
            | Self::RefundExceedsPayment(_)
            | Self::UnderReview(_) => Decision::DeadLetter,
        }
    }

    /// Whose doing it is when a batch fails with this.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Fault(fault) => fault.blame(),
            _ => Blame::Somebody,
        }
    }
}
