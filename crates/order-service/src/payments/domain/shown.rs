//! What a provider shows of a payment, and what that says of what it was asked for.

use super::{Observed, Operation, OperationKind, OperationStatus};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use shared_types::Money;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A payment with its refunds, as a provider shows them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// The provider's name of it.
    pub provider_id: String,
    /// The provider's name of the movement of money, where that is another.
    pub provider_payment_id: Option<String>,
    /// Its money.
    pub observed: Observed,
    /// Why the last attempt failed.
    pub error_code: Option<String>,
    /// All of its refunds; `None` where they were not looked at.
    pub refunds: Option<Vec<ShownRefund>>,
}

/// A refund as a provider shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownRefund {
    /// The provider's name of it.
    pub id: String,
    /// Our name of it, where it is ours.
    pub operation: Option<Uuid>,
    /// How much.
    pub amount: Money,
    /// How far it is.
    pub state: RefundState,
}

/// How far a refund is at the provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefundState {
    /// The provider has it, and it is under way.
    Pending,
    /// The money is back.
    Succeeded,
    /// It will not come, also where it seemed to.
    Failed,
}

/// What the page needs on which a customer pays.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", untagged)]
pub enum Session {
    /// For Stripe's page elements.
    #[serde(rename_all = "camelCase")]
    Stripe {
        /// Opens this payment, and no other, to whoever has it.
        #[serde(serialize_with = "shown_once")]
        #[schema(value_type = String, example = "pi_1_secret_2")]
        client_secret: SecretString,
        /// The shop's key for pages.
        #[schema(required, example = "pk_test_sandbox")]
        publishable_key: Option<String>,
        /// Where the customer has something to do at once, such as at the page of a bank.
        #[schema(required)]
        action_url: Option<String>,
    },
    /// For Razorpay's checkout.
    #[serde(rename_all = "camelCase")]
    Razorpay {
        /// The order there.
        #[schema(example = "order_1")]
        razorpay_order_id: String,
        /// The shop's key.
        #[schema(example = "rzp_test_sandbox")]
        key_id: String,
        /// How much, in hundredths.
        amount: u64,
        /// The currency.
        currency: String,
    },
}

/// The one place where a secret leaves: to the page of its customer.
fn shown_once<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// After so long a provider may have forgotten a key: an operation of that age is only looked for.
pub const KEY_LASTS: time::Duration = time::Duration::hours(23);

/// Why an operation is refused that the provider failed to do and will not do under its key any more.
pub const PROVIDER_ERROR: &str = "provider_error";

/// How long a provider must not have shown an operation whose answer was lost before it counts as not done.
const ABSENT_FOR: time::Duration = time::Duration::hours(1);

impl Operation {
    /// Whether its key may still be used.
    pub fn may_be_sent(&self, now: OffsetDateTime) -> bool {
        self.first_sent_at.is_none_or(|first| now - first < KEY_LASTS)
    }

    /// What a look says has become of it, if it says so. `failed`: the provider answers its key by an error, for good.
    pub fn judged(&self, shown: Option<&Shown>, failed: bool, now: OffsetDateTime) -> Option<OperationStatus> {
        let done = Some(OperationStatus::Succeeded);
        let refused = Some(OperationStatus::Refused);
        let gone = failed || !self.may_be_sent(now);
        let Some(shown) = shown else {
            // What nobody can pay moves no money: another may take its place at once.
            return match self.kind {
                OperationKind::Create if gone => refused,
                _ => None,
            };
        };
        let (amounts, nothing) = (shown.observed.amounts, Money::default());
        match self.kind {
            OperationKind::Create => done,
            OperationKind::Confirm if amounts.authorized > nothing => done,
            OperationKind::Capture if amounts.captured > nothing => done,
            OperationKind::Void if shown.observed.closed.is_some() => done,
            OperationKind::Void if amounts.captured > nothing => refused,
            OperationKind::Confirm | OperationKind::Capture if shown.observed.closed.is_some() => refused,
            // A payment is paid, taken and closed once whatever is asked how often: the next may have a key of its own.
            OperationKind::Confirm | OperationKind::Capture | OperationKind::Void => refused.filter(|_| gone),
            OperationKind::Refund => match shown.refund_of(self) {
                Some(refund) => Some(refund.state.of_operation()),
                None => {
                    let asked_long_ago = self.first_sent_at.is_some_and(|first| now - first >= ABSENT_FOR);
                    refused.filter(|_| gone && asked_long_ago && shown.refunds.is_some())
                }
            },
        }
    }
}

impl Shown {
    /// The refund of an operation.
    pub fn refund_of(&self, operation: &Operation) -> Option<&ShownRefund> {
        self.refunds.iter().flatten().find(|refund| refund.operation == Some(operation.id))
    }
}

impl RefundState {
    /// Where it takes an operation from where that stands; `None` where that is so already, or further.
    pub fn moves(self, from: OperationStatus) -> Option<OperationStatus> {
        let to = match (from, self) {
            (OperationStatus::Succeeded, Self::Failed) => OperationStatus::Reversed,
            (_, state) => state.of_operation(),
        };
        (to != from && from.may_become(to)).then_some(to)
    }

    /// What it makes of an operation that was not over.
    pub fn of_operation(self) -> OperationStatus {
        match self {
            Self::Pending => OperationStatus::Accepted,
            Self::Succeeded => OperationStatus::Succeeded,
            Self::Failed => OperationStatus::Refused,
        }
    }
}

#[cfg(test)]
mod tests;
