//! What customers and the shop are told, by which way, and how far a message has come.

pub mod announced;
pub mod code;
pub mod erasure;
pub mod log;
pub mod phone_number;
pub mod rules;
pub mod sms_text;
pub mod texts;

use code::Code;
use serde::{Deserialize, Serialize};
use shared_types::events::{OrderSnapshot, StockLevel};
use shared_types::{Money, OrderId};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// What a message is about; each has a template of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The order is placed and its stock held.
    OrderPlaced,
    /// The stock is committed.
    OrderConfirmed,
    /// It has left the house.
    OrderShipped,
    /// It has arrived.
    OrderDelivered,
    /// It was called off.
    OrderCancelled,
    /// It was accepted and could not be placed.
    PlacementGivenUp,
    /// Its money has come in.
    OrderPaid,
    /// An attempt to pay it failed.
    PaymentFailed,
    /// Money has gone back to its customer.
    OrderRefunded,
    /// Money did not go back to its customer, or came back again.
    RefundFailed,
    /// A product's stock has fallen to its threshold; to the shop.
    StockLow,
    /// A product's stock is above its threshold again; to the shop.
    StockReplenished,
    /// An order has lost its stock by a release by hand; to the shop.
    StockReleased,
    /// Somebody has an account now.
    Welcome,
    /// The code that verifies the address of an account.
    VerifyAddress,
    /// The code that sets a new password.
    ResetPassword,
    /// Somebody wanted to register with an address that has an account.
    AccountExists,
    /// The account has another password.
    PasswordChanged,
}

/// What a message tells of: it says which facts its templates get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About {
    /// An order.
    Order,
    /// The stock of a product.
    Stock,
    /// Somebody's account.
    Account,
}

impl Kind {
    /// What messages of this kind tell of.
    pub fn about(self) -> About {
        match self {
            Self::OrderPlaced
            | Self::OrderConfirmed
            | Self::OrderShipped
            | Self::OrderDelivered
            | Self::OrderCancelled
            | Self::PlacementGivenUp
            | Self::OrderPaid
            | Self::PaymentFailed
            | Self::OrderRefunded
            | Self::RefundFailed
            | Self::StockReleased => About::Order,
            Self::StockLow | Self::StockReplenished => About::Stock,
            Self::Welcome | Self::VerifyAddress | Self::ResetPassword | Self::AccountExists | Self::PasswordChanged => {
                About::Account
            }
        }
    }

    /// Whether the message shows a code, which account-service keeps.
    pub fn has_code(self) -> bool {
        matches!(self, Self::VerifyAddress | Self::ResetPassword)
    }

    /// Whether it goes by SMS, too.
    pub fn has_sms(self) -> bool {
        self.about() == About::Order && !self.is_for_shop()
    }

    /// Whether the shop itself is told, and no customer.
    pub fn is_for_shop(self) -> bool {
        matches!(self, Self::StockLow | Self::StockReplenished | Self::StockReleased)
    }

    /// Whether it tells of money that moved, or did not.
    pub fn is_about_money(self) -> bool {
        matches!(self, Self::OrderPaid | Self::PaymentFailed | Self::OrderRefunded | Self::RefundFailed)
    }

    /// Whether its order holds everything that it says.
    pub fn tells_only_of_its_order(self) -> bool {
        matches!(self, Self::OrderPlaced | Self::OrderConfirmed)
    }

    /// Whether an earlier event about the same order made a message, too.
    pub fn follows_another(self) -> bool {
        match self {
            Self::OrderConfirmed
            | Self::OrderShipped
            | Self::OrderDelivered
            | Self::OrderCancelled
            | Self::OrderPaid
            | Self::PaymentFailed
            | Self::OrderRefunded
            | Self::RefundFailed => true,
            Self::OrderPlaced
            | Self::PlacementGivenUp
            | Self::StockLow
            | Self::StockReplenished
            | Self::StockReleased
            | Self::Welcome
            | Self::VerifyAddress
            | Self::ResetPassword
            | Self::AccountExists
            | Self::PasswordChanged => false,
        }
    }
}

/// The way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Channel {
    /// By SMTP.
    Email,
    /// By the SMS gateway.
    Sms,
}

/// How far a message has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It waits to be sent.
    Queued,
    /// The provider has taken it.
    Sent,
    /// The provider says that it arrived.
    Delivered,
    /// It cannot be sent, or was sent in vain.
    Failed,
    /// It was not to be sent; the reason says why.
    Skipped,
}

/// A text that names no kind, channel or status.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be one of {0}")]
pub struct Unknown(String);

macro_rules! names {
    ($type:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $type {
            /// Every one there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As in the API and in the database.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = Unknown;

            /// Reads a name in any case.
            fn from_str(text: &str) -> Result<Self, Unknown> {
                let found = Self::ALL.iter().copied().find(|each| each.as_str().eq_ignore_ascii_case(text));
                found.ok_or_else(|| Unknown([$($name),*].join(", ")))
            }
        }
    };
}

names!(Kind {
    OrderPlaced = "order-placed",
    OrderConfirmed = "order-confirmed",
    OrderShipped = "order-shipped",
    OrderDelivered = "order-delivered",
    OrderCancelled = "order-cancelled",
    PlacementGivenUp = "placement-given-up",
    OrderPaid = "order-paid",
    PaymentFailed = "payment-failed",
    OrderRefunded = "order-refunded",
    RefundFailed = "refund-failed",
    StockLow = "stock-low",
    StockReplenished = "stock-replenished",
    StockReleased = "stock-released",
    Welcome = "welcome",
    VerifyAddress = "verify-address",
    ResetPassword = "reset-password",
    AccountExists = "account-exists",
    PasswordChanged = "password-changed",
});
names!(Channel { Email = "EMAIL", Sms = "SMS" });
names!(Status {
    Queued = "QUEUED",
    Sent = "SENT",
    Delivered = "DELIVERED",
    Failed = "FAILED",
    Skipped = "SKIPPED",
});

/// What the templates are filled with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Facts {
    /// About an order.
    Order(OrderFacts),
    /// About a product's stock.
    Stock(StockLevel),
    /// About somebody's account.
    Account(AccountFacts),
}

impl Facts {
    /// The order of which an e-mail has the link, if it is nobody's.
    pub fn guest_order(&self) -> Option<OrderId> {
        match self {
            Self::Order(facts) => facts.guest.as_ref().map(|_| facts.order.order_id),
            Self::Stock(_) | Self::Account(_) => None,
        }
    }

    /// With the link to an order that is nobody's. The code beside it is hidden.
    #[must_use]
    pub fn with_link(mut self, link: String) -> Self {
        if let Self::Order(OrderFacts { guest: Some(guest), .. }) = &mut self {
            guest.link = Some(link);
        }
        self
    }

    /// With the code that the message shows. The others show none.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        match &mut self {
            Self::Account(AccountFacts { code: Some(shown), .. }) => *shown = code,
            Self::Order(OrderFacts { guest: Some(guest), .. }) => guest.code = code,
            Self::Order(_) | Self::Stock(_) | Self::Account(_) => {}
        }
        self
    }
}

/// An order as the templates see it, with what no event holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderFacts {
    /// The order, as its event tells of it.
    pub order: Box<OrderSnapshot>,
    /// How its customer gets at it without an account; none where it has one.
    pub guest: Option<GuestFacts>,
    /// The money that the message tells of; none in messages of other kinds.
    pub money: Option<MoneyFacts>,
}

/// Money that moved, or did not, as the templates see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MoneyFacts {
    /// How much.
    pub amount: Money,
    /// The currency, as ISO 4217 has it.
    pub currency: String,
    /// Whether people hand it over, and no bank does.
    pub at_the_door: bool,
    /// Whether it is all that was left: an order was cancelled.
    pub is_rest: bool,
}

/// An order that is nobody's, as the templates see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestFacts {
    /// Where it can be seen; none where there are no links.
    pub link: Option<String>,
    /// The code by which it is taken into an account. Hidden, until it is sent.
    pub code: Code,
}

/// An account as the templates see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountFacts {
    /// Whose it is, where they said so.
    pub name: Option<String>,
    /// The address by which they log in.
    pub email: String,
    /// The code, in messages that show one. Hidden, until it was fetched to be sent.
    pub code: Option<Code>,
}
