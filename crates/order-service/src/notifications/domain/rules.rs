//! Which messages an event makes, to whom they go, and whether they are to be sent.

use super::{Channel, Kind, Status};
use crate::notifications::domain::phone_number::PhoneNumber;
use service_kit::contact::key_of;
use shared_types::OrderId;
use std::sync::Arc;
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
    /// The order, where it is about one. Messages about one order leave in the order of its events.
    pub order_id: Option<OrderId>,
    /// What the message says.
    pub kind: Kind,
    /// To whom.
    pub whom: Whom,
    /// The data of the event, in JSON: what the texts are made of.
    pub data: Arc<str>,
    /// Whether the order itself has all of that.
    pub is_in_order: bool,
    /// The trace context of the event, where that trace is recorded.
    pub traceparent: Option<String>,
}

/// Who is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whom {
    /// A customer, by e-mail, and by SMS where there is a number.
    Customer(Contact),
    /// Somebody with an account, by e-mail to this address.
    Person(String),
    /// The shop itself, by e-mail.
    Shop,
}

/// How a customer is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// By e-mail.
    pub email: String,
    /// By telephone, as the customer wrote it.
    pub phone: Option<String>,
}

/// A row of the log to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewNotification {
    /// The event.
    pub event_id: Uuid,
    /// The order; none where it is about something else.
    pub order_id: Option<OrderId>,
    /// What it says.
    pub kind: Kind,
    /// The way it goes.
    pub channel: Channel,
    /// To whom.
    pub recipient: Option<String>,
    /// Whose message it is, by whatever way it goes; none of the shop's own. The key of the address where it is about no
    /// order: by it the message is found that is to be erased.
    pub customer_email: Option<String>,
    /// Queued, skipped or failed.
    pub status: Status,
    /// Why it is not queued.
    pub reason: Option<String>,
    /// The data of the event, in JSON.
    pub data: Arc<str>,
    /// Whether the order itself has all of that.
    pub is_in_order: bool,
    /// The trace context of the event, where that trace is recorded.
    pub traceparent: Option<String>,
}

/// The messages that a happening makes.
pub fn messages(ways: &Ways, happening: Happening) -> Vec<NewNotification> {
    let Happening { event_id, order_id, kind, whom, data, is_in_order, traceparent } = happening;
    let row = |channel, recipient, customer_email, (status, reason)| NewNotification {
        event_id,
        order_id,
        kind,
        channel,
        recipient,
        customer_email,
        status,
        reason,
        data: data.clone(),
        is_in_order,
        traceparent: traceparent.clone(),
    };
    match whom {
        Whom::Customer(Contact { email, phone }) => {
            let recipient = Some(email.clone());
            let mail = row(Channel::Email, recipient, Some(email.clone()), unless(ways.missing(Channel::Email)));
            let sms = phone.map(|phone| {
                let (recipient, status) = sms_recipient(ways, phone);
                row(Channel::Sms, recipient, Some(email), status)
            });
            [Some(mail), sms].into_iter().flatten().collect()
        }
        Whom::Person(email) => {
            let key = key_of(&email);
            vec![row(Channel::Email, Some(email), Some(key), unless(ways.missing(Channel::Email)))]
        }
        Whom::Shop => {
            let nobody = ways.operations.is_none().then_some(NO_OPERATIONS_ADDRESS);
            let status = unless(nobody.or(ways.missing(Channel::Email)));
            vec![row(Channel::Email, ways.operations.clone(), None, status)]
        }
    }
}

/// A number is looked at only where somebody is to call it: that costs more than all the rest.
fn sms_recipient(ways: &Ways, phone: String) -> (Option<String>, (Status, Option<String>)) {
    match ways.missing(Channel::Sms) {
        Some(missing) => (Some(phone), unless(Some(missing))),
        None => match ways.number(&phone) {
            Ok(number) => (Some(number), unless(None)),
            Err(error) => (None, (Status::Failed, Some(error))),
        },
    }
}

fn unless(missing: Option<&str>) -> (Status, Option<String>) {
    match missing {
        Some(reason) => (Status::Skipped, Some(reason.to_owned())),
        None => (Status::Queued, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Contact, Happening, NO_MAIL_SERVER, NO_OPERATIONS_ADDRESS, NO_SMS_GATEWAY, Ways, Whom, messages};
    use crate::notifications::domain::{Channel, Kind, Status};
    use uuid::Uuid;

    fn ways() -> Ways {
        Ways { email: true, sms: true, operations: Some("shop@example.com".to_owned()), country: None }
    }

    fn happening(kind: Kind, whom: Whom) -> Happening {
        let (event_id, data) = (Uuid::nil(), "{}".into());
        Happening { event_id, order_id: None, kind, whom, data, is_in_order: false, traceparent: None }
    }

    /// Channel, recipient, status and reason of each message to a customer.
    fn told(ways: &Ways, phone: Option<&str>) -> Vec<(Channel, Option<String>, Status, Option<String>)> {
        let contact = Contact { email: "ada@example.com".to_owned(), phone: phone.map(str::to_owned) };
        let rows = messages(ways, happening(Kind::OrderShipped, Whom::Customer(contact)));
        assert!(rows.iter().all(|row| row.customer_email.as_deref() == Some("ada@example.com")), "{rows:?}");
        rows.into_iter().map(|row| (row.channel, row.recipient, row.status, row.reason)).collect()
    }

    #[test]
    fn a_customer_is_told_by_every_way_there_is() {
        let email = (Channel::Email, Some("ada@example.com".to_owned()), Status::Queued, None);
        let sms = (Channel::Sms, Some("+442079460000".to_owned()), Status::Queued, None);
        assert_eq!(told(&ways(), Some("+44 20 7946 0000")), [email.clone(), sms]);
        assert_eq!(told(&ways(), None), [email]);
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        let none = told(&Ways::default(), Some("12"));
        assert_eq!(none[0].2, Status::Skipped);
        assert_eq!(none[0].3.as_deref(), Some(NO_MAIL_SERVER));
        assert_eq!((none[1].2, none[1].3.as_deref()), (Status::Skipped, Some(NO_SMS_GATEWAY)));
        assert_eq!(none[1].1.as_deref(), Some("12"), "as the customer wrote it");
        let bad = told(&ways(), Some("12")).remove(1);
        assert_eq!((bad.1, bad.2), (None, Status::Failed));
        let reason = bad.3.unwrap_or_default();
        assert!(reason.starts_with("no telephone number: ") && !reason.contains("12"), "{reason}");
    }

    #[test]
    fn a_message_about_an_account_is_found_by_the_key_of_its_address() {
        let told = |email: &str| messages(&ways(), happening(Kind::Welcome, Whom::Person(email.to_owned()))).remove(0);
        let row = told("Ada@Example.com");
        assert_eq!((row.channel, row.status, row.order_id), (Channel::Email, Status::Queued, None));
        assert_eq!(row.recipient.as_deref(), Some("Ada@Example.com"));
        assert_eq!(row.customer_email.as_deref(), Some("ada@example.com"));
        assert_eq!(told("ada@münchen.de").customer_email.as_deref(), Some("ada@xn--mnchen-3ya.de"));
    }

    #[test]
    fn stock_is_the_shops_business() {
        let row = |ways: &Ways| messages(ways, happening(Kind::StockLow, Whom::Shop)).remove(0);
        let told = row(&ways());
        assert_eq!((told.status, told.recipient.as_deref()), (Status::Queued, Some("shop@example.com")));
        assert_eq!(told.customer_email, None);
        let nobody = row(&Ways { operations: None, ..ways() });
        assert_eq!((nobody.status, nobody.reason.as_deref()), (Status::Skipped, Some(NO_OPERATIONS_ADDRESS)));
    }
}
