//! What can go wrong with payments, and what becomes of it: for a client, and for a message.

use super::domain::{PaymentStatus, Provider};
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
    /// A payment by another method is open, and its provider has to close it first.
    #[error("payment {0} of this order is open: its customer is at their bank, or its provider did not close it")]
    OtherOpen(PaymentId),
    /// The provider takes no payment of this size.
    #[error("{provider} takes at most {most} at once")]
    TooLarge {
        provider: Provider,
        /// The most it takes.
        most: Money,
    },
    /// Another method was chosen too often.
    #[error("this order has had {0} payments, and gets no more")]
    TooMany(usize),
    /// The provider does not answer, or knows nothing of the payment yet.
    #[error("{0}")]
    ProviderAway(String),
    /// A webhook that is none.
    #[error("the signature is missing or wrong, or too old")]
    Unsigned,
    /// A webhook that nobody set up.
    #[error("webhooks of this provider are not taken here: their secret is not set")]
    WebhookDisabled,
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
    /// There is no such finding.
    #[error("finding {0} does not exist")]
    UnknownFinding(i64),
    /// Somebody has said before what was done about it.
    #[error("finding {0} is resolved")]
    AlreadyResolved(i64),
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
            Self::UnknownFinding(id) => Problem::not_found(format!("finding {id}")),
            Self::AlreadyResolved(_) => conflict("already-resolved", "Already resolved"),
            Self::AlreadyPaid(_) => conflict("already-paid", "Already paid"),
            Self::PaymentOpen | Self::OtherOpen(_) => conflict("payment-open", "Another payment is under way"),
            Self::TooLarge { .. } => conflict("payment-too-large", "Too large for the provider"),
            Self::TooMany(_) => conflict("too-many-payments", "Too many payments"),
            Self::ProviderAway(_) => Problem::unavailable(self),
            Self::Unsigned => Problem::unauthorized("Stripe-Signature realm=\"webhooks\"", self.to_string()),
            Self::WebhookDisabled => Problem::new(StatusCode::NOT_FOUND, "webhook-disabled", "Webhook disabled", self),
            Self::NotAllowed { .. } => conflict("invalid-transition", "Not allowed for this payment"),
            Self::RefundExceedsPayment(_) => conflict("refund-exceeds-payment", "More than was paid"),
            Self::UnderReview(_) => conflict("payment-under-review", "Payment under review"),
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::PaymentOpen | Self::OtherOpen(_) | Self::ProviderAway(_) => Decision::Retry,
            Self::UnknownPayment(_)
            | Self::UnknownFinding(_)
            | Self::AlreadyResolved(_)
            | Self::AlreadyPaid(_)
            | Self::NotAllowed { .. }
            | Self::RefundExceedsPayment(_)
            | Self::TooLarge { .. }
            | Self::TooMany(_)
            | Self::Unsigned
            | Self::WebhookDisabled
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
