//! What a provider showed of a payment when somebody decided about its review: the same is not put to review again.

use super::{Amounts, Observed, Terms};
use shared_types::Money;
use uuid::Uuid;

/// What was shown then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reviewed {
    /// Our reference, as the provider has it.
    pub reference: Uuid,
    /// What the payment is for, as the provider has it.
    pub amount: Money,
    /// The currency, as the provider has it.
    pub currency: String,
    /// The money.
    pub amounts: Amounts,
}

impl Reviewed {
    /// What a look shows now.
    pub fn of(observed: &Observed) -> Self {
        let Observed { reference, amount, ref currency, amounts, .. } = *observed;
        Self { reference, amount, currency: currency.clone(), amounts }
    }

    /// Whether a look shows nothing that was not decided about: the same reference, amount and currency, and money that went
    /// on within what was shown then.
    pub fn covers(&self, observed: &Observed) -> bool {
        let Self { reference, amount, currency, amounts } = self;
        let same = observed.reference == *reference && observed.amount == *amount && observed.currency == *currency;
        let most = (*amount).max(amounts.authorized);
        same && (observed.amounts == *amounts || observed.amounts.fit(most))
    }
}

impl Observed {
    /// The look as far as it counts for a payment on these terms: no more money than that is for. What is promised there and
    /// neither taken nor released stays promised.
    #[must_use]
    pub fn within(&self, terms: &Terms) -> Self {
        let nothing = Money::default();
        let Terms { reference, amount, currency } = terms.clone();
        let up_to = |limit: Money, money: Money| money.min(limit).max(nothing);
        let Amounts { authorized, captured, released } = self.amounts;
        let promised = up_to(amount, authorized.max(captured));
        let taken = up_to(promised, captured);
        let open = up_to(promised - taken, authorized - captured - released);
        let amounts = Amounts { authorized: promised, captured: taken, released: promised - taken - open };
        Self { reference, amount, currency, amounts, ..*self }
    }
}
