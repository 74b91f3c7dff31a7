//! What is known of the money of a payment, and what a look at the provider adds to it.
//!
//! Nothing but a look moves amounts, and a look says what is, not what happened. So looks may come twice, late, in another
//! order or not at all: amounts only grow, but for what was given back untaken, and the status follows from them.

mod reviewed;

use super::PaymentStatus;
pub use reviewed::Reviewed;
use shared_types::Money;
use uuid::Uuid;

/// Amounts that only grow; `released` as far as `captured` leaves room. What was given back is not among them: a refund may fail
/// after it succeeded, so that is the sum of its operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amounts {
    /// Promised by the customer's bank, or by the customer.
    pub authorized: Money,
    /// Taken.
    pub captured: Money,
    /// Promised, and given back untaken.
    pub released: Money,
}

/// How the last attempt to pay is going, while no money is promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// Nobody has tried.
    None,
    /// The customer has something to do.
    ActionRequired,
    /// It failed.
    Failed,
}

/// Why a payment takes no more money although none was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// It was called off.
    Voided,
    /// The promise ran out.
    Expired,
}

/// What a look shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// Our reference, as the provider has it.
    pub reference: Uuid,
    /// What the payment is for, as the provider has it.
    pub amount: Money,
    /// The currency, as the provider has it.
    pub currency: String,
    /// The money.
    pub amounts: Amounts,
    /// The last attempt.
    pub attempt: Attempt,
    /// Whether it is closed without money.
    pub closed: Option<Closed>,
}

/// What a payment is for; a look must show the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Our reference.
    pub reference: Uuid,
    /// What it is for.
    pub amount: Money,
    /// The currency, as ISO 4217 has it.
    pub currency: String,
}

/// What is known of the money of a payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// The money.
    pub amounts: Amounts,
    /// The sum of the refunds that succeeded.
    pub refunded: Money,
    /// The last attempt.
    pub attempt: Attempt,
    /// Whether it is closed without money.
    pub closed: Option<Closed>,
    /// Whether what was seen did not fit; only an operator ends that.
    pub review: bool,
}

impl Amounts {
    /// The larger of each. What went back untaken makes room for what was taken all the same: the customer paid again.
    fn join(self, seen: Self) -> Self {
        let (authorized, captured) = (self.authorized.max(seen.authorized), self.captured.max(seen.captured));
        let released = self.released.max(seen.released).min(authorized - captured);
        Self { authorized, captured, released }
    }

    /// Whether they can be those of a payment for `amount`.
    fn fit(self, amount: Money) -> bool {
        let nothing = Money::default();
        let negative = [self.authorized, self.captured, self.released].into_iter().any(|amount| amount < nothing);
        !negative && self.authorized <= amount && self.captured + self.released <= self.authorized
    }
}

impl Attempt {
    /// What a status says of the last attempt.
    pub fn of(status: PaymentStatus) -> Self {
        match status {
            PaymentStatus::ActionRequired => Self::ActionRequired,
            PaymentStatus::Failed => Self::Failed,
            _ => Self::None,
        }
    }
}

impl Closed {
    /// What a status says of a payment that is closed without money.
    pub fn of(status: PaymentStatus) -> Option<Self> {
        match status {
            PaymentStatus::Voided => Some(Self::Voided),
            PaymentStatus::Expired => Some(Self::Expired),
            _ => None,
        }
    }
}

impl Known {
    /// Where the payment stands: what the amounts say, and only without any what else is known.
    pub fn status(&self) -> PaymentStatus {
        let nothing = Money::default();
        let Amounts { authorized, captured, released } = self.amounts;
        if self.review {
            PaymentStatus::Review
        } else if captured > nothing {
            match self.refunded {
                refunded if refunded >= captured => PaymentStatus::Refunded,
                refunded if refunded > nothing => PaymentStatus::PartRefunded,
                _ => PaymentStatus::Captured,
            }
        } else if let Some(closed) = self.closed {
            match closed {
                Closed::Voided => PaymentStatus::Voided,
                Closed::Expired => PaymentStatus::Expired,
            }
        } else if authorized > nothing {
            if released >= authorized { PaymentStatus::Voided } else { PaymentStatus::Authorized }
        } else {
            match self.attempt {
                Attempt::None => PaymentStatus::Created,
                Attempt::ActionRequired => PaymentStatus::ActionRequired,
                Attempt::Failed => PaymentStatus::Failed,
            }
        }
    }

    /// Whether it takes no more money. One that is taken at the door is closed when all is.
    pub fn is_closed(&self, terms: &Terms) -> bool {
        let Amounts { authorized, captured, released } = self.amounts;
        let taken = captured >= terms.amount || (authorized > Money::default() && captured + released >= authorized);
        self.closed.is_some() || taken
    }

    /// What is known after a look. What does not fit changes no amount: somebody has to look at it.
    pub fn seeing(&self, terms: &Terms, observed: &Observed) -> Self {
        let amounts = self.amounts.join(observed.amounts);
        let same = observed.reference == terms.reference
            && observed.amount == terms.amount
            && observed.currency == terms.currency;
        if !same || !observed.amounts.fit(terms.amount) || !amounts.fit(terms.amount) {
            return Self { review: true, ..*self };
        }
        // A look that shows no attempt is one from before it, or of one that the provider refused to begin.
        let attempt = if observed.attempt == Attempt::None { self.attempt } else { observed.attempt };
        Self { amounts, attempt, closed: self.closed.or(observed.closed), ..*self }
    }
}

#[cfg(test)]
mod tests;
