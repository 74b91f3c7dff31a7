//! What the services tell each other: CloudEvents 1.0 in JSON, one Rust type for each event's data.
//!
//! A type is only ever added to. A change that old readers cannot bear gets a higher `dataversion`; a reader sets
//! aside what is newer than it knows.

mod order;

pub use order::{OrderLine, OrderSnapshot, ToldPayment};

use crate::{Money, OrderId, PaymentId, ProductId, Reference};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

/// The version of every event's data that this build writes and reads.
pub const DATA_VERSION: u32 = 1;

/// Data of one type of event.
pub trait EventData: Serialize {
    /// The event's type, which is also its routing key.
    const TYPE: &'static str;

    /// What the event is about; events of one subject arrive in the order they happened.
    fn subject(&self) -> String;
}

/// The envelope, after CloudEvents 1.0 (JSON format, structured mode).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Envelope<Data> {
    /// Version of the CloudEvents specification: `1.0`.
    pub specversion: String,
    /// Unique for each event; a consumer that has seen it skips it.
    pub id: Uuid,
    /// The service it comes from, as a URI reference: `/order-service`.
    pub source: String,
    /// Type of the event: `order.created`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about: the reference of an order, the number of a product.
    pub subject: String,
    /// When it happened.
    #[serde(with = "crate::times")]
    pub time: OffsetDateTime,
    /// W3C trace context of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Media type of `data`.
    pub datacontenttype: String,
    /// Version of `data`, see [`DATA_VERSION`].
    pub dataversion: u32,
    /// The data of this type of event.
    pub data: Data,
}

/// An event whose data has not been looked at yet.
pub type RawEvent = Envelope<Box<RawValue>>;

/// Why a message cannot be understood; trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableEvent {
    /// Not a CloudEvent in JSON, or the data lacks a field.
    #[error("cannot be parsed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by a newer version of the sender.
    #[error("{event_type} has data version {version}, newest known is {DATA_VERSION}")]
    TooNew {
        /// Type of the event.
        event_type: String,
        /// Its data version.
        version: u32,
    },
}

impl RawEvent {
    /// Reads the envelope of a message.
    pub fn parse(body: &[u8]) -> Result<Self, UnreadableEvent> {
        let event: Self = serde_json::from_slice(body)?;
        if event.dataversion > DATA_VERSION {
            return Err(UnreadableEvent::TooNew { event_type: event.event_type, version: event.dataversion });
        }
        Ok(event)
    }

    /// Reads the data, once the type is known.
    pub fn data<'a, Data: Deserialize<'a>>(&'a self) -> Result<Data, UnreadableEvent> {
        Ok(serde_json::from_str(self.data.get())?)
    }
}

/// Money that moved, or that will not move any more. It names no customer and no account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoneyMoved {
    /// Number of the payment.
    pub payment_id: PaymentId,
    /// Number of its order.
    pub order_id: OrderId,
    /// Reference of the order.
    pub reference: Reference,
    /// By what it is paid: `CASH_ON_DELIVERY`.
    pub method: String,
    /// How much moved; of a payment that is closed without money, what it was for.
    pub amount: Money,
    /// The currency, as ISO 4217 has it.
    pub currency: String,
    /// The operation that moved it; none where nothing moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Uuid>,
    /// What caused the operation: `MANUAL`, `ORDER_CANCELLED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Whether all that came goes back at once, as nobody waits for it. Earlier builds did not say so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_back: bool,
}

/// What happened to a reservation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservationChanged {
    /// Reference of the reservation and of its order.
    pub reference: Reference,
}

/// A product's stock and the threshold it has crossed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockLevel {
    /// The product.
    pub product_id: ProductId,
    /// Its stock keeping unit.
    pub sku: String,
    /// Pieces that can still be promised; those that wait to be shipped are not among them.
    pub stock_quantity: i32,
    /// The threshold.
    pub low_stock_threshold: i32,
}

/// A session that ended before its time. Its tokens are good for nothing from then on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionEnded {
    /// The session, `sid` in its tokens.
    pub session_id: Uuid,
    /// Whose it was.
    pub user_id: Uuid,
    /// Why, where it was not the user's own wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A user to whom something happened. What their tokens say that were signed up to the event's time no longer holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserChanged {
    /// The user, `sub` in their tokens.
    pub user_id: Uuid,
    /// What they are from then on.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// A key by which tokens were signed, and which may be in wrong hands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyRevoked {
    /// Its name in the header of a token.
    pub kid: String,
}

/// Somebody who has an account now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewUser {
    /// The user.
    pub user_id: Uuid,
    /// Where to write to.
    pub email: String,
    /// Their name.
    pub name: String,
}

/// A code that waits to be sent. The event names the code and does not hold it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeIssued {
    /// The code's own id, by which it is fetched when it is sent.
    pub code_id: Uuid,
    /// What it is for: `VERIFY`, `RESET`.
    pub purpose: String,
    /// Whose it is; none where the address has no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    /// Where to write to.
    pub email: String,
    /// Their name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A user with an account, and how they are written to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountHolder {
    /// The user, the `sub` of their tokens.
    pub user_id: Uuid,
    /// The address of the account.
    pub email: String,
    /// Their name; left out where it is not needed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($data:ty), about $subject:ident = $type:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $data);

        impl EventData for $name {
            const TYPE: &'static str = $type;

            fn subject(&self) -> String {
                self.0.$subject.to_string()
            }
        }
    )*};
}

events! {
    /// An order was placed and its stock is held.
    OrderCreated(OrderSnapshot), about reference = "order.created";
    /// What had to be paid first is paid.
    OrderPaid(OrderSnapshot), about reference = "order.paid";
    /// The order's stock is committed, and what had to be paid first is paid.
    OrderConfirmed(OrderSnapshot), about reference = "order.confirmed";
    /// The order has left the house.
    OrderShipped(OrderSnapshot), about reference = "order.shipped";
    /// The order has arrived.
    OrderDelivered(OrderSnapshot), about reference = "order.delivered";
    /// The order was called off; its stock must come back.
    OrderCancelled(OrderSnapshot), about reference = "order.cancelled";
    /// The stock is the order's for good.
    ReservationCommitted(ReservationChanged), about reference = "reservation.committed";
    /// The stock went back.
    ReservationReleased(ReservationChanged), about reference = "reservation.released";
    /// The answer to `order.created` where the stock had gone back before: the order has none.
    ReservationRefused(ReservationChanged), about reference = "reservation.refused";
    /// An order lost its stock by a release by hand; to the shop. It names no customer.
    OrderStockLost(OrderSnapshot), about reference = "order.stock-lost";
    /// The money of a payment is promised.
    PaymentAuthorized(MoneyMoved), about reference = "payment.authorized";
    /// An attempt to pay failed; another may succeed.
    PaymentFailed(MoneyMoved), about reference = "payment.failed";
    /// What a provider shows of a payment does not fit, and somebody has to look at it.
    PaymentReview(MoneyMoved), about reference = "payment.review";
    /// The money of a payment has come in.
    PaymentCaptured(MoneyMoved), about reference = "payment.captured";
    /// A payment was closed before any money came in.
    PaymentVoided(MoneyMoved), about reference = "payment.voided";
    /// Money has gone back to the customer.
    RefundSucceeded(MoneyMoved), about reference = "refund.succeeded";
    /// Money did not go back to the customer, or came back again.
    RefundFailed(MoneyMoved), about reference = "refund.failed";
    /// A product's stock has fallen to its threshold or below it.
    StockLow(StockLevel), about product_id = "stock.low";
    /// A product's stock has risen above its threshold again.
    StockReplenished(StockLevel), about product_id = "stock.replenished";
    /// A session was ended: by log-out, by an operator, or because somebody else had its refresh token.
    SessionRevoked(SessionEnded), about session_id = "session.revoked";
    /// A user may no longer log in.
    UserDisabled(UserChanged), about user_id = "user.disabled";
    /// A user's roles are others than before.
    UserRolesChanged(UserChanged), about user_id = "user.roles_changed";
    /// Tokens signed by this key are good for nothing.
    SigningKeyRevoked(KeyRevoked), about kid = "signing_key.revoked";
    /// A user has an account and a verified address.
    UserRegistered(NewUser), about user_id = "user.registered";
    /// A code waits to be sent to a user.
    UserCodeIssued(CodeIssued), about code_id = "user.code_issued";
    /// A user has another password.
    UserPasswordChanged(AccountHolder), about user_id = "user.password_changed";
    /// A user's account was erased. Whoever kept the address because of the account erases it, too.
    UserErased(AccountHolder), about user_id = "user.erased";
}

/// Every type of event there is, for the documentation and the tests that hold it to the code.
pub const ALL_TYPES: [&str; 27] = [
    OrderCreated::TYPE,
    OrderPaid::TYPE,
    OrderConfirmed::TYPE,
    OrderShipped::TYPE,
    OrderDelivered::TYPE,
    OrderCancelled::TYPE,
    ReservationCommitted::TYPE,
    ReservationReleased::TYPE,
    ReservationRefused::TYPE,
    OrderStockLost::TYPE,
    PaymentAuthorized::TYPE,
    PaymentFailed::TYPE,
    PaymentReview::TYPE,
    PaymentCaptured::TYPE,
    PaymentVoided::TYPE,
    RefundSucceeded::TYPE,
    RefundFailed::TYPE,
    StockLow::TYPE,
    StockReplenished::TYPE,
    SessionRevoked::TYPE,
    UserDisabled::TYPE,
    UserRolesChanged::TYPE,
    SigningKeyRevoked::TYPE,
    UserRegistered::TYPE,
    UserCodeIssued::TYPE,
    UserPasswordChanged::TYPE,
    UserErased::TYPE,
];

#[cfg(test)]
mod tests;
