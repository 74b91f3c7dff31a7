//! The words for methods, providers, states and causes, each as the database and the API write it.

use rust_decimal::Decimal;
use serde::Serialize;
use shared_types::Money;
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// A text that is none of the words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be one of {0}")]
pub struct UnknownName(String);

// The texts are `tt`: a `literal` would come wrapped, and the derive of the schema does not see into that.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:tt,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, ToSchema)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name on the wire and in the database.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            /// Reads a name in any case.
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                let known = Self::ALL.iter().find(|name| name.as_str().eq_ignore_ascii_case(text));
                let names = || UnknownName([$($text),+].join(", "));
                known.copied().ok_or_else(names)
            }
        }
    )+};
}

names! {
    /// By what an order is paid.
    Method {
        /// A card, also one in a wallet of the browser.
        Card = "CARD",
        /// UPI, in India.
        Upi = "UPI",
        /// The pages of a bank.
        NetBanking = "NET_BANKING",
        /// A wallet that holds money.
        Wallet = "WALLET",
        /// The carrier or the shop collects it at the door.
        CashOnDelivery = "CASH_ON_DELIVERY",
    }

    /// Who takes the money.
    Provider {
        /// Stripe.
        Stripe = "STRIPE",
        /// Razorpay.
        Razorpay = "RAZORPAY",
        /// People at the door: what they say of the money is what is known of it.
        OnDelivery = "ON_DELIVERY",
    }

    /// When the money of a payment is taken.
    Capture {
        /// As soon as the customer's bank promises it.
        Automatic = "AUTOMATIC",
        /// When the goods go out.
        Manual = "MANUAL",
    }

    /// Where a payment stands.
    PaymentStatus {
        /// Nothing has happened yet.
        Created = "CREATED",
        /// The customer has something to do at the provider.
        ActionRequired = "ACTION_REQUIRED",
        /// The last attempt failed; another one may succeed.
        Failed = "FAILED",
        /// The money is promised and was not taken yet.
        Authorized = "AUTHORIZED",
        /// The money was taken.
        Captured = "CAPTURED",
        /// A part of it was given back.
        PartRefunded = "PART_REFUNDED",
        /// All of it was given back.
        Refunded = "REFUNDED",
        /// It was called off before any money was taken.
        Voided = "VOIDED",
        /// The promise of the money ran out.
        Expired = "EXPIRED",
        /// What the provider shows does not fit: nothing happens by itself.
        Review = "REVIEW",
    }

    /// What an order's payment comes to.
    OrderPaymentStatus {
        /// It has to be paid before the order goes on.
        Due = "DUE",
        /// The money is promised.
        Authorized = "AUTHORIZED",
        /// The money was taken.
        Paid = "PAID",
        /// It is paid at the door.
        OnDelivery = "ON_DELIVERY",
        /// A part was given back.
        PartRefunded = "PART_REFUNDED",
        /// All was given back.
        Refunded = "REFUNDED",
        /// It was called off, and no money was taken.
        Voided = "VOIDED",
        /// Somebody has to look at it.
        Review = "REVIEW",
    }

    /// What is done to the money of a payment.
    OperationKind {
        /// The provider is told of the payment.
        Create = "CREATE",
        /// The customer's means of payment is tried.
        Confirm = "CONFIRM",
        /// The money is taken.
        Capture = "CAPTURE",
        /// The promise of the money is given back.
        Void = "VOID",
        /// Money is given back.
        Refund = "REFUND",
    }

    /// How far an operation is.
    OperationStatus {
        /// It is written down and nobody has begun.
        Prepared = "PREPARED",
        /// The provider was asked, and has not answered yet.
        Sent = "SENT",
        /// Nobody knows whether the provider did it.
        Unknown = "UNKNOWN",
        /// It is decided and waits to be done: by the provider, or by people who pay out.
        Accepted = "ACCEPTED",
        /// It is done.
        Succeeded = "SUCCEEDED",
        /// The provider will not do it.
        Refused = "REFUSED",
        /// It was done and did not last.
        Reversed = "REVERSED",
        /// It was given up before anybody was asked.
        Dropped = "DROPPED",
    }

    /// Why an operation is there.
    Cause {
        /// The customer paid.
        Checkout = "CHECKOUT",
        /// The goods went out, or arrived.
        Shipment = "SHIPMENT",
        /// The order was cancelled.
        OrderCancelled = "ORDER_CANCELLED",
        /// A part of the order was cancelled.
        ItemsCancelled = "ITEMS_CANCELLED",
        /// Goods came back.
        Return = "RETURN",
        /// More was paid than is owed.
        Overpaid = "OVERPAID",
        /// The money came when nobody waited for it any more.
        Late = "LATE",
        /// Goods were exchanged for cheaper ones.
        Exchange = "EXCHANGE",
        /// An operator decided so.
        Manual = "MANUAL",
        /// It was done at the provider, past this service.
        External = "EXTERNAL",
    }

    /// What does not fit between a provider's books and ours.
    FindingKind {
        /// It is in our books only.
        HereOnly = "HERE_ONLY",
        /// It is in the provider's books only.
        ThereOnly = "THERE_ONLY",
        /// The amounts differ.
        Amount = "AMOUNT",
        /// It came to different ends.
        Status = "STATUS",
        /// Money was taken, and no order is known that it is for.
        CapturedWithoutOrder = "CAPTURED_WITHOUT_ORDER",
        /// A customer asks the bank for the money back.
        Dispute = "DISPUTE",
    }
}

/// The names of the statuses with which an order does not go on.
pub const DUE: [OrderPaymentStatus; 3] =
    [OrderPaymentStatus::Due, OrderPaymentStatus::Voided, OrderPaymentStatus::Review];

impl OrderPaymentStatus {
    /// Whether the order has to wait for its money.
    pub fn is_due(self) -> bool {
        DUE.contains(&self)
    }
}

impl Provider {
    /// Whether payments by a method can go by it.
    pub fn serves(self, method: Method) -> bool {
        match self {
            Self::Stripe => method == Method::Card,
            Self::Razorpay => method != Method::CashOnDelivery,
            Self::OnDelivery => method == Method::CashOnDelivery,
        }
    }

    /// Its name in the labels of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Razorpay => "razorpay",
            Self::OnDelivery => "on_delivery",
        }
    }

    /// Whether the money of a payment waits at the door.
    pub fn is_on_delivery(self) -> bool {
        self == Self::OnDelivery
    }

    /// The most that one payment can be, where there is such a limit. Stripe takes eight digits.
    pub fn most(self) -> Option<Money> {
        (self == Self::Stripe).then(|| Money::from(Decimal::new(99_999_999, 2)))
    }

    /// The least that goes back at once, where there is such a limit.
    pub fn least_refund(self) -> Option<Money> {
        (self == Self::Razorpay).then(|| Money::from(Decimal::ONE))
    }

    /// Whether the money of a payment can wait with the customer's bank until it is taken.
    pub fn can_wait(self) -> bool {
        self == Self::Stripe
    }

    /// Whether a payment that nobody has paid can be closed there: else it can be paid for as long as it exists.
    pub fn can_close(self) -> bool {
        match self {
            Self::Stripe | Self::OnDelivery => true,
            Self::Razorpay => false,
        }
    }
}

impl OperationStatus {
    /// Those of operations that the provider has to be asked for, or asked for again.
    pub const OPEN: [Self; 3] = [Self::Prepared, Self::Sent, Self::Unknown];

    /// Whether the provider has to be asked for it, or asked for it again.
    pub fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }

    /// Whether its amount counts among what is given back or is to be.
    pub fn is_live(self) -> bool {
        !matches!(self, Self::Refused | Self::Reversed | Self::Dropped)
    }

    /// Whether an operation may come from here to `to`. Only a definite answer ends one whose outcome is not known.
    pub fn may_become(self, to: Self) -> bool {
        use OperationStatus::{Accepted, Dropped, Prepared, Refused, Reversed, Sent, Succeeded, Unknown};
        match self {
            Prepared => matches!(to, Sent | Accepted | Succeeded | Dropped),
            // Back to PREPARED where the call has not left this machine.
            Sent => matches!(to, Sent | Prepared | Unknown | Accepted | Succeeded | Refused),
            Unknown => matches!(to, Sent | Accepted | Succeeded | Refused),
            Accepted => matches!(to, Succeeded | Refused),
            Succeeded => to == Reversed,
            Refused | Reversed | Dropped => false,
        }
    }
}

impl PaymentStatus {
    /// Whether a payment may come from here to `to`. FAILED is not final, and money may come in on a payment that is closed.
    pub fn may_become(self, to: Self) -> bool {
        use PaymentStatus::{
            ActionRequired, Authorized, Captured, Created, Expired, Failed, PartRefunded, Refunded, Review, Voided,
        };
        match self {
            Created | ActionRequired | Failed => true,
            Authorized => !matches!(to, Created | ActionRequired | Failed),
            Voided | Expired => matches!(to, Captured | PartRefunded | Refunded | Review),
            // A refund that fails after all gives the money back to the payment.
            Captured | PartRefunded | Refunded => matches!(to, Captured | PartRefunded | Refunded | Review),
            Review => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, Method, OperationKind, OperationStatus, OrderPaymentStatus, PaymentStatus, Provider};
    use serde::Serialize;
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    /// The names in the schema of a type, and as its values are written.
    fn documented_and_written<Name: PartialSchema + Serialize>(all: &[Name]) -> (Value, Value) {
        (json!(Name::schema())["enum"].clone(), json!(all))
    }

    #[test]
    fn schemas_list_the_names_that_are_written() {
        for (documented, written) in [
            documented_and_written(Method::ALL),
            documented_and_written(Provider::ALL),
            documented_and_written(PaymentStatus::ALL),
            documented_and_written(OrderPaymentStatus::ALL),
            documented_and_written(OperationKind::ALL),
            documented_and_written(OperationStatus::ALL),
            documented_and_written(Cause::ALL),
        ] {
            assert_eq!(documented, written);
        }
        assert_eq!(json!(Method::CashOnDelivery), json!("CASH_ON_DELIVERY"));
    }

    #[test]
    fn operations_end_only_where_an_end_is_known() {
        let steps: Vec<String> = OperationStatus::ALL
            .iter()
            .flat_map(|from| OperationStatus::ALL.iter().map(move |to| (*from, *to)))
            .filter(|(from, to)| from.may_become(*to))
            .map(|(from, to)| format!("{from}>{to}"))
            .collect();
        assert_eq!(
            steps,
            [
                "PREPARED>SENT",
                "PREPARED>ACCEPTED",
                "PREPARED>SUCCEEDED",
                "PREPARED>DROPPED",
                "SENT>PREPARED",
                "SENT>SENT",
                "SENT>UNKNOWN",
                "SENT>ACCEPTED",
                "SENT>SUCCEEDED",
                "SENT>REFUSED",
                "UNKNOWN>SENT",
                "UNKNOWN>ACCEPTED",
                "UNKNOWN>SUCCEEDED",
                "UNKNOWN>REFUSED",
                "ACCEPTED>SUCCEEDED",
                "ACCEPTED>REFUSED",
                "SUCCEEDED>REVERSED",
            ]
        );
    }

    #[test]
    fn money_that_was_taken_is_never_forgotten() {
        use PaymentStatus::{Captured, PartRefunded, Refunded, Review};
        for from in [Captured, PartRefunded, Refunded] {
            for to in PaymentStatus::ALL {
                let kept = matches!(to, Captured | PartRefunded | Refunded | Review);
                assert_eq!(from.may_become(*to), kept, "{from} to {to}");
            }
        }
        assert!(PaymentStatus::Failed.may_become(Captured) && PaymentStatus::Voided.may_become(Captured));
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!("cash_on_delivery".parse(), Ok(Method::CashOnDelivery));
        assert_eq!("on_delivery".parse(), Ok(OrderPaymentStatus::OnDelivery));
        let refused = "BARTER".parse::<Method>().unwrap_err().to_string();
        assert_eq!(refused, "must be one of CARD, UPI, NET_BANKING, WALLET, CASH_ON_DELIVERY");
    }
}
