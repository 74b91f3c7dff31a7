//! What a provider lists of a day, and whether that is what our books say.

use super::{Payment, Provider, RefundState, Shown, ShownRefund};
use serde::Serialize;
use shared_types::Money;
use time::Date;
use utoipa::ToSchema;
use uuid::Uuid;

/// A payment in a provider's list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The provider's name of it.
    pub provider_id: String,
    /// Our name of it, where it has one: what has none is another shop's.
    pub reference: Option<Uuid>,
    /// How much was taken.
    pub captured: Money,
}

/// A refund in a provider's list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedRefund {
    /// The provider's name of what it gives back.
    pub of: String,
    /// The refund.
    pub refund: ShownRefund,
}

/// What holding our books of a day against those of the providers came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Reconciled {
    /// The day, in UTC.
    #[schema(value_type = String, format = Date, example = "2026-11-25")]
    #[serde(serialize_with = "as_text")]
    pub day: Date,
    /// What is new among the findings.
    #[schema(example = 0)]
    pub findings: i64,
    /// One for each provider that is set up.
    pub providers: Vec<ReconciledProvider>,
}

/// What one provider has of a day.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconciledProvider {
    /// The provider.
    pub provider: Provider,
    /// Payments in its list.
    #[schema(example = 12)]
    pub payments: usize,
    /// Refunds in its list.
    #[schema(example = 1)]
    pub refunds: usize,
    /// Payments in its list that are not of this shop.
    #[schema(example = 0)]
    pub foreign: usize,
    /// Payments that were looked at because the lists are not equal.
    #[schema(example = 0)]
    pub looked_at: usize,
}

fn as_text<S: serde::Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

impl Payment {
    /// Our amount, the one that the provider shows, and of what, where they differ. Refunds count where they were looked at, but for
    /// what was paid out `by_hand`.
    pub fn difference_to(&self, by_hand: Money, shown: &Shown) -> Option<(Money, Money, &'static str)> {
        let captured = shown.observed.amounts.captured;
        if captured != self.captured {
            return Some((self.captured, captured, "the provider took another amount"));
        }
        let done = shown.refunds.as_ref()?.iter().filter(|refund| refund.state == RefundState::Succeeded);
        let refunded: Money = done.map(|refund| refund.amount).sum();
        let ours = self.refunded - by_hand;
        (refunded != ours).then_some((ours, refunded, "the provider gave another amount back"))
    }
}

#[cfg(test)]
mod tests {
    use crate::payments::domain::{
        Amounts, Attempt, Observed, Payment, PaymentStatus, Provider, RefundState, Shown, ShownRefund,
    };
    use rust_decimal::Decimal;
    use shared_types::Money;
    use time::OffsetDateTime;

    #[test]
    fn what_was_paid_out_by_hand_is_not_looked_for_at_the_provider() {
        let money = |amount: i64| Money::from(Decimal::from(amount));
        let sample = Payment::sample(Provider::Stripe, PaymentStatus::Captured, OffsetDateTime::UNIX_EPOCH);
        let ours = Payment { captured: money(30), refunded: money(30), ..sample };
        let (terms, refund) = (ours.terms(), |amount, state| ShownRefund {
            id: "re_1".to_owned(),
            operation: None,
            amount: money(amount),
            state,
        });
        let shown = Shown {
            provider_id: "pi_1".to_owned(),
            provider_payment_id: None,
            observed: Observed {
                reference: terms.reference,
                amount: terms.amount,
                currency: terms.currency,
                amounts: Amounts { authorized: money(30), captured: money(30), released: money(0) },
                attempt: Attempt::None,
                closed: None,
            },
            error_code: None,
            refunds: Some(vec![refund(10, RefundState::Succeeded), refund(20, RefundState::Failed)]),
        };
        assert_eq!(ours.difference_to(money(20), &shown), None);
        let wrong = ours.difference_to(money(0), &shown);
        assert_eq!(wrong, Some((money(30), money(10), "the provider gave another amount back")));
    }
}
