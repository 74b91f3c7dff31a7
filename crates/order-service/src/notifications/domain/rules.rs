//! Which messages an event makes, to whom they go, and whether they are to be sent.

use super::{Channel, Kind, Status};
use crate::notifications::domain::phone_number::PhoneNumber;
use shared_types::events::StockLevel;
use shared_types::{OrderId, OrderStatus};
use uuid::Uuid;

/// Why no e-mail leaves the house.
pub const NO_MAIL_SERVER: &str = "no mail server is configured: set MAIL_FROM_ADDRESS";

/// Why no SMS leaves the house.
pub const NO_SMS_GATEWAY: &str = "no SMS gateway is configured: set BREVO_API_KEY";

/// Why nobody hears of the stock.
pub const NO_OPERATIONS_ADDRESS: &str = "no address for the shop is configured: set OPERATIONS_EMAIL";

/// Why a message of a customer who wanted to be forgotten is not sent.
pub const ERASED: &str = "erased";

/// What is set up for messages to leave the house.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ways {
    /// Whether e-mail can be sent.
    pub email: bool,
    /// Whether SMS can be sent.
    pub sms: bool,
    /// The shop's own address.
    pub operations: Option<String>,
    /// The country of numbers that name none.
    pub country: Option<String>,
}

impl Ways {
    /// Why nothing can be sent by this channel, if that is so.
    pub fn missing(&self, channel: Channel) -> Option<&'static str> {
        match channel {
            Channel::Email => (!self.email).then_some(NO_MAIL_SERVER),
            Channel::Sms => (!self.sms).then_some(NO_SMS_GATEWAY),
        }
    }

    /// A customer's number as it is called, or what is wrong with it.
    pub fn number(&self, text: &str) -> Result<String, String> {
        let number = PhoneNumber::parse(text, self.country.as_deref());
        number.map(|number| number.as_str().to_owned()).map_err(|error| format!("no telephone number: {error}"))
    }
}

/// Something that somebody is to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Happening {
    /// The event that told of it.
    pub event_id: Uuid,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// An order came to a status.
    Order {
        /// The order.
        id: OrderId,
        /// The status.
        status: OrderStatus,
        /// Why.
        reason: Option<String>,
    },
    /// A product's stock crossed its threshold.
    Stock {
        /// Low or replenished.
        kind: Kind,
        /// Where it stands.
        level: StockLevel,
    },
}

/// How the customer of an order is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// By e-mail.
    pub email: String,
    /// By telephone, as the customer wrote it.
    pub phone: Option<String>,
    /// Whether the order was placed.
    pub placed: bool,
}

/// A row of the log to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewNotification {
    /// The event.
    pub event_id: Uuid,
    /// The order; none for stock.
    pub order_id: Option<OrderId>,
    /// What it is about.
    pub kind: Kind,
    /// The way it goes.
    pub channel: Channel,
    /// To whom.
    pub recipient: Option<String>,
    /// Queued, skipped or failed.
    pub status: Status,
    /// Why it is not queued.
    pub reason: Option<String>,
    /// What the order does not hold, in JSON.
    pub facts: Option<String>,
}

/// What a change of status is called in a message. An order that was never placed was given up.
fn kind(status: OrderStatus, placed: bool) -> Kind {
    match status {
        OrderStatus::Pending => Kind::OrderPlaced,
        OrderStatus::Confirmed => Kind::OrderConfirmed,
        OrderStatus::Shipped => Kind::OrderShipped,
        OrderStatus::Delivered => Kind::OrderDelivered,
        OrderStatus::Cancelled if placed => Kind::OrderCancelled,
        OrderStatus::Cancelled => Kind::PlacementGivenUp,
    }
}

/// The messages about an order: an e-mail, and an SMS where there is a number.
pub fn about_order(
    ways: &Ways,
    event_id: Uuid,
    id: OrderId,
    (status, reason): (OrderStatus, Option<&str>),
    contact: &Contact,
) -> impl Iterator<Item = NewNotification> {
    let kind = kind(status, contact.placed);
    let facts = reason.map(|reason| serde_json::json!({"reason": reason}).to_string());
    let row = move |channel, recipient, (status, reason): (Status, Option<String>)| NewNotification {
        event_id,
        order_id: Some(id),
        kind,
        channel,
        recipient,
        status,
        reason,
        facts: facts.clone(),
    };
    let email = row(Channel::Email, Some(contact.email.clone()), unless(ways.missing(Channel::Email)));
    // A number is looked at only where somebody is to call it: that costs more than all the rest.
    let sms = contact.phone.as_deref().map(|phone| match ways.missing(Channel::Sms) {
        Some(missing) => row(Channel::Sms, Some(phone.to_owned()), unless(Some(missing))),
        None => match ways.number(phone) {
            Ok(number) => row(Channel::Sms, Some(number), unless(None)),
            Err(error) => row(Channel::Sms, None, (Status::Failed, Some(error))),
        },
    });
    [Some(email), sms].into_iter().flatten()
}

/// The message about a product's stock, to the shop.
pub fn about_stock(
    ways: &Ways,
    event_id: Uuid,
    kind: Kind,
    level: &StockLevel,
) -> Result<NewNotification, serde_json::Error> {
    let nobody = ways.operations.is_none().then_some(NO_OPERATIONS_ADDRESS);
    let (status, reason) = unless(nobody.or(ways.missing(Channel::Email)));
    Ok(NewNotification {
        event_id,
        order_id: None,
        kind,
        channel: Channel::Email,
        recipient: ways.operations.clone(),
        status,
        reason,
        facts: Some(serde_json::to_string(level)?),
    })
}

fn unless(missing: Option<&str>) -> (Status, Option<String>) {
    match missing {
        Some(reason) => (Status::Skipped, Some(reason.to_owned())),
        None => (Status::Queued, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Contact, NO_MAIL_SERVER, NO_OPERATIONS_ADDRESS, NO_SMS_GATEWAY, Ways, about_order, about_stock};
    use crate::notifications::domain::{Channel, Kind, Status};
    use shared_types::events::StockLevel;
    use shared_types::{OrderId, OrderStatus, ProductId};
    use uuid::Uuid;

    fn ways() -> Ways {
        Ways { email: true, sms: true, operations: Some("shop@example.com".to_owned()), country: None }
    }

    fn contact(phone: Option<&str>) -> Contact {
        Contact { email: "ada@example.com".to_owned(), phone: phone.map(str::to_owned), placed: true }
    }

    /// Channel, recipient, status and reason of each message.
    fn told(ways: &Ways, contact: &Contact) -> Vec<(Channel, Option<String>, Status, Option<String>)> {
        let rows = about_order(ways, Uuid::nil(), OrderId(7), (OrderStatus::Shipped, None), contact);
        rows.map(|row| (row.channel, row.recipient, row.status, row.reason)).collect()
    }

    #[test]
    fn a_customer_is_told_by_every_way_there_is() {
        let email = (Channel::Email, Some("ada@example.com".to_owned()), Status::Queued, None);
        let sms = (Channel::Sms, Some("+442079460000".to_owned()), Status::Queued, None);
        assert_eq!(told(&ways(), &contact(Some("+44 20 7946 0000"))), [email.clone(), sms]);
        assert_eq!(told(&ways(), &contact(None)), [email]);
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        let none = told(&Ways::default(), &contact(Some("12")));
        assert_eq!(none[0].2, Status::Skipped);
        assert_eq!(none[0].3.as_deref(), Some(NO_MAIL_SERVER));
        assert_eq!((none[1].2, none[1].3.as_deref()), (Status::Skipped, Some(NO_SMS_GATEWAY)));
        assert_eq!(none[1].1.as_deref(), Some("12"), "as the customer wrote it");
        let bad = told(&ways(), &contact(Some("12"))).remove(1);
        assert_eq!((bad.1, bad.2), (None, Status::Failed));
        let reason = bad.3.unwrap_or_default();
        assert!(reason.starts_with("no telephone number: ") && !reason.contains("12"), "{reason}");
    }

    #[test]
    fn an_order_that_was_never_placed_was_given_up() {
        let kind = |placed| {
            let contact = Contact { placed, ..contact(None) };
            let status = (OrderStatus::Cancelled, Some("too \"late\""));
            let row = about_order(&ways(), Uuid::nil(), OrderId(7), status, &contact).next().unwrap();
            (row.kind, row.facts.unwrap())
        };
        assert_eq!(kind(true), (Kind::OrderCancelled, r#"{"reason":"too \"late\""}"#.to_owned()));
        assert_eq!(kind(false).0, Kind::PlacementGivenUp);
    }

    #[test]
    fn stock_is_the_shops_business() {
        let level = StockLevel {
            product_id: ProductId(1),
            sku: "LAPTOP-001".to_owned(),
            stock_quantity: 4,
            low_stock_threshold: 5,
        };
        let row = |ways: &Ways| about_stock(ways, Uuid::nil(), Kind::StockLow, &level).unwrap();
        assert_eq!(
            (row(&ways()).status, row(&ways()).recipient.as_deref()),
            (Status::Queued, Some("shop@example.com"))
        );
        let nobody = row(&Ways { operations: None, ..ways() });
        assert_eq!((nobody.status, nobody.reason.as_deref()), (Status::Skipped, Some(NO_OPERATIONS_ADDRESS)));
    }
}
