//! What the events say, and which of them is a happening that somebody is told. A new kind of message begins here.

use super::Kind;
use super::rules::{Contact, Happening, Whom};
use shared_types::events::{
    EventData, MoneyMoved, OrderSnapshot, PaymentCaptured, PaymentFailed, RefundFailed, RefundSucceeded,
};
use shared_types::{OrderId, OrderStatus};
use std::borrow::Cow;
use time::OffsetDateTime;
use uuid::Uuid;

/// An event that was read.
#[derive(Clone, Debug)]
pub struct Announced<'a> {
    /// Its id.
    pub event_id: Uuid,
    /// When it happened.
    pub time: OffsetDateTime,
    /// What it says.
    pub what: What,
    /// Its data in JSON.
    pub data: Cow<'a, str>,
    /// Its trace context, where that trace is recorded.
    pub traceparent: Option<&'a str>,
}

/// What an event says.
#[derive(Clone, Debug)]
pub enum What {
    /// An order came to a status.
    Order {
        /// The status.
        status: OrderStatus,
        /// The order.
        order: Box<OrderSnapshot>,
    },
    /// Something happened to the money of an order that its customer is told of.
    Money(ToldMoney),
    /// Something happened to stock that the shop is told of.
    Stock(Kind),
    /// Something happened to an account that its person is told of.
    Account {
        /// What.
        kind: Kind,
        /// The address of the account.
        email: String,
    },
}

/// What the customer of an order is told of its money. The event names no customer: they are looked for in the order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToldMoney {
    /// What; none where nobody is told.
    pub kind: Option<Kind>,
    /// The order.
    pub order_id: OrderId,
    /// How its customer is reached, once that was looked for; none where there is no such order.
    pub contact: Option<Contact>,
}

impl ToldMoney {
    /// What an event of this type tells. Who paid at the door knows it. Of money that goes back at once only the refund is
    /// told: no order goes on because of it.
    pub fn of(event_type: &str, moved: &MoneyMoved) -> Self {
        let kind = match event_type {
            PaymentCaptured::TYPE if moved.method == AT_THE_DOOR || moved.goes_back => None,
            PaymentCaptured::TYPE => Some(Kind::OrderPaid),
            PaymentFailed::TYPE => Some(Kind::PaymentFailed),
            RefundSucceeded::TYPE => Some(Kind::OrderRefunded),
            RefundFailed::TYPE => Some(Kind::RefundFailed),
            _ => None,
        };
        Self { kind, order_id: moved.order_id, contact: None }
    }
}

/// By what is paid that people collect.
pub const AT_THE_DOOR: &str = "CASH_ON_DELIVERY";

/// What a code for this purpose is sent by. None for one that only a newer account-service knows.
pub fn kind_of_code(purpose: &str) -> Option<Kind> {
    match purpose {
        "VERIFY" => Some(Kind::VerifyAddress),
        "RESET" => Some(Kind::ResetPassword),
        "KNOWN" => Some(Kind::AccountExists),
        _ => None,
    }
}

impl Announced<'_> {
    /// What somebody is told. None of an order without a customer, which only earlier builds announced, and none of an
    /// account without an address, which was erased meanwhile.
    pub fn happening(self) -> Option<Happening> {
        // That it has to be paid first, and until when, only the event says.
        let asks_to_be_paid = matches!(&self.what, What::Order { order, .. } if order.payment.is_some());
        let (kind, order_id, whom) = match self.what {
            What::Stock(kind) => (kind, None, Whom::Shop),
            What::Account { email, .. } if email.is_empty() => return None,
            What::Account { kind, email } => (kind, None, Whom::Person(email)),
            What::Money(money) => {
                let contact = money.contact.filter(|contact| !contact.email.is_empty())?;
                (money.kind?, Some(money.order_id), Whom::Customer(contact))
            }
            What::Order { order, .. } if order.customer_email.is_empty() => return None,
            What::Order { status, order } => {
                let given_up = order.given_up.unwrap_or(order.total_amount.is_none());
                let contact = Contact { email: order.customer_email, phone: order.customer_phone };
                (kind(status, given_up)?, Some(order.order_id), Whom::Customer(contact))
            }
        };
        Some(Happening {
            event_id: self.event_id,
            order_id,
            kind,
            whom,
            data: self.data.into(),
            is_in_order: kind.tells_only_of_its_order() && !asks_to_be_paid,
            traceparent: self.traceparent.map(str::to_owned),
        })
    }
}

/// What a change of status is called in a message.
fn kind(status: OrderStatus, given_up: bool) -> Option<Kind> {
    Some(match status {
        OrderStatus::Pending => Kind::OrderPlaced,
        // Nobody is told of it yet.
        OrderStatus::Paid => return None,
        OrderStatus::Confirmed => Kind::OrderConfirmed,
        OrderStatus::Shipped => Kind::OrderShipped,
        OrderStatus::Delivered => Kind::OrderDelivered,
        OrderStatus::Cancelled if given_up => Kind::PlacementGivenUp,
        OrderStatus::Cancelled => Kind::OrderCancelled,
    })
}

#[cfg(test)]
mod tests {
    use super::{Announced, ToldMoney, What, kind_of_code};
    use crate::notifications::domain::Kind;
    use crate::notifications::domain::rules::Contact;
    use shared_types::OrderStatus;
    use time::OffsetDateTime;
    use uuid::Uuid;

    fn announced(what: What, data: &str) -> Announced<'_> {
        let (event_id, time) = (Uuid::nil(), OffsetDateTime::UNIX_EPOCH);
        Announced { event_id, time, what, data: data.into(), traceparent: None }
    }

    fn kind(data: &str) -> Option<Kind> {
        let what = What::Order { status: OrderStatus::Cancelled, order: serde_json::from_str(data).unwrap() };
        let happening = announced(what, data).happening()?;
        assert_eq!((&*happening.data, happening.order_id.map(|id| id.0)), (data, Some(7)));
        Some(happening.kind)
    }

    #[test]
    fn each_purpose_of_a_code_has_its_mail() {
        let kinds = ["VERIFY", "RESET", "KNOWN"].map(kind_of_code);
        assert_eq!(kinds, [Kind::VerifyAddress, Kind::ResetPassword, Kind::AccountExists].map(Some));
        assert_eq!(kind_of_code("ELECT"), None);
    }

    #[test]
    fn what_becomes_of_money_is_told_but_not_who_paid_at_the_door() {
        let order = r#""orderId": 7, "reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "paymentId": 1"#;
        let told = |event_type: &str, method: &str| {
            let data = format!(r#"{{{order}, "method": "{method}", "amount": 59.98, "currency": "INR"}}"#);
            ToldMoney::of(event_type, &serde_json::from_str(&data).unwrap())
        };
        let kinds = ["payment.captured", "payment.failed", "refund.succeeded", "refund.failed"];
        let by = |method| kinds.map(|event_type| told(event_type, method).kind);
        let [paid, others @ ..] =
            [Kind::OrderPaid, Kind::PaymentFailed, Kind::OrderRefunded, Kind::RefundFailed].map(Some);
        assert_eq!(by("CARD"), [paid, others[0], others[1], others[2]]);
        assert_eq!(by("CASH_ON_DELIVERY"), [None, others[0], others[1], others[2]]);
        let happening = |email: Option<&str>| {
            let contact = email.map(|email| Contact { email: email.to_owned(), phone: None });
            let what = What::Money(ToldMoney { contact, ..told("refund.succeeded", "CARD") });
            announced(what, "{}").happening()
        };
        assert_eq!(happening(Some("ada@example.com")).map(|it| it.kind), others[1]);
        assert_eq!((happening(Some("")), happening(None)), (None, None), "there is nobody to tell");
    }

    #[test]
    fn who_was_erased_meanwhile_is_not_told() {
        let told = |email: &str| {
            let what = What::Account { kind: Kind::Welcome, email: email.to_owned() };
            announced(what, "{}").happening().is_some()
        };
        assert_eq!((told("ada@example.com"), told("")), (true, false));
    }

    #[test]
    fn an_order_that_was_never_placed_was_given_up_unless_the_event_says_otherwise() {
        let reference = r#""orderId": 7, "reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70""#;
        let customer = r#""customerEmail": "ada@example.com""#;
        let placed = format!(r#"{{{reference}, {customer}, "totalAmount": 29.99}}"#);
        assert_eq!(kind(&placed), Some(Kind::OrderCancelled));
        assert_eq!(kind(&format!("{{{reference}, {customer}}}")), Some(Kind::PlacementGivenUp));
        for (given_up, expected) in [(true, Kind::PlacementGivenUp), (false, Kind::OrderCancelled)] {
            assert_eq!(kind(&format!("{{{reference}, {customer}, \"givenUp\": {given_up}}}")), Some(expected));
        }
        assert_eq!(kind(&format!("{{{reference}}}")), None, "there is nobody to tell");
    }
}
