//! The notification log: a message as it is shown, what its text is made of, and what of it may stand in a log file.

use super::announced::AT_THE_DOOR;
use super::code::Code;
use super::{About, AccountFacts, Channel, Facts, GuestFacts, Kind, MoneyFacts, OrderFacts, Status};
use serde::{Deserialize, Serialize};
use shared_types::OrderId;
use shared_types::events::{CodeIssued, MoneyMoved, OrderSnapshot};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What the last error of a message begins with that waits for its code.
pub const NO_CODE: &str = "account-service gives no code";

/// A message to one recipient by one channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Its number.
    #[schema(example = 1)]
    pub id: i64,
    /// The order; none where it is about something else.
    #[schema(example = 1)]
    pub order_id: Option<OrderId>,
    /// The event that made it.
    pub event_id: Uuid,
    /// What it is about.
    pub kind: Kind,
    /// The way it goes.
    pub channel: Channel,
    /// E-mail address, or telephone number in E.164, or as the customer wrote it where no SMS are sent; none where there
    /// is none that can be used, or it was erased.
    #[schema(example = "ada@example.com")]
    pub recipient: Option<String>,
    /// How far it has come.
    pub status: Status,
    /// Why it was not sent, or not in the end.
    pub reason: Option<String>,
    /// How often the provider was asked to take it, since it was queued last.
    #[schema(example = 1)]
    pub attempts: i32,
    /// What came of the last attempt that failed.
    pub last_error: Option<String>,
    /// What the provider calls it.
    pub provider_id: Option<String>,
    /// How often somebody had it sent again.
    #[schema(example = 0)]
    pub resends: i32,
    /// When it was written.
    #[serde(with = "shared_types::times")]
    pub created_at: OffsetDateTime,
    /// When it is attempted next; while one sends it, when it is another's turn.
    #[serde(with = "shared_types::times::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
    /// When the provider took it.
    #[serde(with = "shared_types::times::option")]
    pub sent_at: Option<OffsetDateTime>,
    /// When the provider reported that it arrived.
    #[serde(with = "shared_types::times::option")]
    pub delivered_at: Option<OffsetDateTime>,
    /// When recipient and texts were erased.
    #[serde(with = "shared_types::times::option")]
    pub erased_at: Option<OffsetDateTime>,
    /// Counts its changes; the ETag.
    #[serde(skip)]
    pub version: i64,
}

/// A message with its text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct NotificationWithText {
    #[serde(flatten)]
    pub notification: Notification,
    /// The subject of an e-mail.
    #[schema(example = "Your order ORD-00000001")]
    pub subject: Option<String>,
    /// The text: as it was sent, or as it would be sent now; none where it was erased.
    pub text: Option<String>,
}

/// What the log keeps to make a text of, in JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    /// The data of the event.
    pub data: Option<String>,
    /// The data of the event by which the order was placed, where the other names no lines.
    pub placed_data: Option<String>,
}

/// What the templates are filled with. None where too little is kept: it was erased, or an earlier build wrote it.
///
/// A code is not kept: it is hidden here.
pub fn facts(kind: Kind, kept: &Kept) -> Option<Facts> {
    let data = kept.data.as_deref()?;
    match kind.about() {
        About::Order => {
            let mut order: Box<OrderSnapshot> = serde_json::from_str(data).ok()?;
            if let Some(placed) = kept.placed_data.as_deref().filter(|_| order.items.is_empty()) {
                order.items = serde_json::from_str::<OrderSnapshot>(placed).ok()?.items;
            }
            // An order that was never placed is nothing that an account could take.
            let guest = order.guest && !kind.is_for_shop() && kind != Kind::PlacementGivenUp;
            Some(Facts::Order(OrderFacts {
                order,
                guest: guest.then(|| GuestFacts { link: None, code: Code::hidden() }),
                money: if kind.is_about_money() { Some(money(data)?) } else { None },
            }))
        }
        About::Stock => Some(Facts::Stock(serde_json::from_str(data).ok()?)),
        About::Account => {
            let Person { email, name } = serde_json::from_str(data).ok()?;
            let name = Some(name).filter(|name| !name.is_empty());
            Some(Facts::Account(AccountFacts { name, email, code: kind.has_code().then(Code::hidden) }))
        }
    }
}

/// What caused a refund that gives back all that is left.
const ORDER_CANCELLED: &str = "ORDER_CANCELLED";

/// What every event about an account says.
#[derive(Deserialize)]
struct Person {
    email: String,
    #[serde(default)]
    name: String,
}

/// Which code the message shows, from the data of the event that a row of the log keeps.
pub fn code_id(kind: Kind, kept: &Kept) -> Option<Uuid> {
    let data = kept.data.as_deref().filter(|_| kind.has_code())?;
    Some(serde_json::from_str::<CodeIssued>(data).ok()?.code_id)
}

/// What a message about money tells of, beside its order.
fn money(data: &str) -> Option<MoneyFacts> {
    #[derive(Deserialize)]
    struct Told {
        money: MoneyMoved,
    }
    let Told { money: MoneyMoved { amount, currency, method, cause, .. } } = serde_json::from_str(data).ok()?;
    let at_the_door = method == AT_THE_DOOR;
    Some(MoneyFacts { amount, currency, at_the_door, is_rest: cause.as_deref() == Some(ORDER_CANCELLED) })
}

/// The customer's telephone number as the customer wrote it, from the data of the event that a row of the log keeps.
pub fn phone(kept: Option<&str>) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Phone {
        customer_phone: Option<String>,
    }
    serde_json::from_str::<Phone>(kept?).ok()?.customer_phone
}

/// The facts without what tells who the customer is, for a log file.
pub fn blacked_out(facts: Facts) -> Facts {
    match facts {
        Facts::Order(OrderFacts { order, guest: _, money }) => {
            let order = Box::new(order.without_customer(|field| format!("[{field}]")));
            Facts::Order(OrderFacts { order, guest: None, money })
        }
        Facts::Stock(level) => Facts::Stock(level),
        Facts::Account(AccountFacts { name, email, code }) => Facts::Account(AccountFacts {
            name: name.map(|_| "[name]".to_owned()),
            email: masked(&email),
            code: code.map(|_| Code::hidden()),
        }),
    }
}

/// A recipient for a log file: enough to tell whether it is the right one, too little to write to it.
pub fn masked(recipient: &str) -> String {
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    match recipient.rsplit_once('@') {
        Some((local, domain)) => match domain.rsplit_once('.') {
            Some((name, top)) => format!("{}…@{}….{top}", first(local), first(name)),
            None => format!("{}…@{}…", first(local), first(domain)),
        },
        None => format!("{}…", recipient.chars().take(3).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::{AccountFacts, Code, Facts, GuestFacts, Kept, Kind, OrderFacts, blacked_out, code_id, facts, masked};

    #[test]
    fn a_recipient_is_not_written_out() {
        assert_eq!(masked("ada@example.com"), "a…@e….com");
        assert_eq!(masked("\"a@b\"@localhost"), "\"…@l…");
        assert_eq!(masked("+442079460000"), "+44…");
        assert_eq!(masked(""), "…");
    }

    #[test]
    fn nothing_of_the_customer_is_left() {
        let order = r#"{"orderId": 42, "reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "customerName": "Ada",
            "customerEmail": "Ada@example.com", "customerPhone": "Ada 42", "shippingAddress": "12 Street",
            "note": "Ada is deaf", "reason": "Ada moved", "guest": true}"#;
        let link = Some("https://shop.example/hush".to_owned());
        let order = OrderFacts {
            order: serde_json::from_str(order).unwrap(),
            guest: Some(GuestFacts { link, code: Code::new("7K2M-Q9XB".to_owned()) }),
            money: None,
        };
        let text = format!("{:?}", blacked_out(Facts::Order(order)));
        assert!(text.contains("OrderId(42)") && !text.contains("Ada") && !text.contains("Street"), "{text}");
        assert!(!text.contains("hush") && !text.contains("7K2M"), "{text}");
    }

    #[test]
    fn neither_a_log_nor_debug_shows_a_code() {
        let (name, email) = (Some("Ada".to_owned()), "ada@example.com".to_owned());
        let facts = Facts::Account(AccountFacts { name, email, code: Some(Code::new("7K2M-Q9XB".to_owned())) });
        assert!(!format!("{facts:?}").contains("7K2M"), "{facts:?}");
        let Facts::Account(black) = blacked_out(facts) else { panic!() };
        let (name, code) = (black.name.as_deref(), black.code.as_ref().map(Code::as_text));
        assert_eq!((name, black.email.as_str(), code), (Some("[name]"), "a…@e….com", Some("•••••••")));
    }

    #[test]
    fn a_code_is_named_by_what_is_kept_and_hidden() {
        let data =
            r#"{"codeId": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "purpose": "RESET", "email": "ada@example.com"}"#;
        let kept = Kept { data: Some(data.to_owned()), placed_data: None };
        let id = code_id(Kind::ResetPassword, &kept).map(|id| id.to_string());
        assert_eq!(id.as_deref(), Some("01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70"));
        assert_eq!(code_id(Kind::AccountExists, &kept), None, "this mail shows none");
        let Some(Facts::Account(account)) = facts(Kind::ResetPassword, &kept) else { panic!() };
        assert_eq!((account.name, account.code), (None, Some(Code::hidden())));
        let Some(Facts::Account(account)) = facts(Kind::AccountExists, &kept) else { panic!() };
        assert_eq!(account.code, None);
    }

    #[test]
    fn a_text_is_made_of_what_the_row_keeps() {
        let order = r#"{"orderId": 42, "reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "customerName": "Ada",
            "customerEmail": "ada@example.com", "shippingAddress": "London", "totalAmount": 59.98, "reason": "late",
            "items": [{"productId": 2, "productName": "Mouse", "quantity": 2, "price": 29.99}]}"#;
        let keeps = |data: &str| Kept { data: Some(data.to_owned()), placed_data: None };
        let Some(Facts::Order(order)) = facts(Kind::OrderCancelled, &keeps(order)) else { panic!() };
        assert_eq!((order.order.order_id.0, order.order.reason.as_deref()), (42, Some("late")));
        assert_eq!((order.order.items[0].quantity, order.guest), (2, None));
        let stock = r#"{"productId": 1, "sku": "A-1", "stockQuantity": 4, "lowStockThreshold": 5}"#;
        assert!(matches!(facts(Kind::StockLow, &keeps(stock)), Some(Facts::Stock(stock)) if stock.stock_quantity == 4));
        for kind in [Kind::OrderPlaced, Kind::StockLow] {
            assert_eq!((facts(kind, &Kept::default()), facts(kind, &keeps(r#"{"reason": "late"}"#))), (None, None));
        }
    }

    #[test]
    fn a_message_about_money_needs_the_money_beside_its_order() {
        let order = r#""orderId": 42, "reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70""#;
        let money =
            format!(r#", "money": {{{order}, "paymentId": 1, "method": "CARD", "amount": 59.98, "currency": "INR"}}"#);
        let of = |kind, money: &str| {
            let kept = Kept { data: Some(format!("{{{order}{money}}}")), placed_data: None };
            let Facts::Order(order) = facts(kind, &kept)? else { panic!() };
            order.money.map(|money| format!("{} {}", money.amount, money.currency))
        };
        assert_eq!(of(Kind::OrderRefunded, &money).as_deref(), Some("59.98 INR"));
        assert_eq!(of(Kind::OrderRefunded, ""), None);
        assert_eq!(of(Kind::OrderShipped, &money), None);
        let how = |money: &str| {
            let kept = Kept { data: Some(format!("{{{order}{money}}}")), placed_data: None };
            let Some(Facts::Order(OrderFacts { money: Some(money), .. })) = facts(Kind::OrderRefunded, &kept) else {
                panic!()
            };
            (money.at_the_door, money.is_rest)
        };
        let cancelled = money.replace(r#""CARD""#, r#""CASH_ON_DELIVERY", "cause": "ORDER_CANCELLED""#);
        assert_eq!((how(&money), how(&cancelled)), ((false, false), (true, true)));
    }

    #[test]
    fn only_the_customer_of_an_order_that_is_nobodys_gets_a_link() {
        let order = r#"{"orderId": 42, "reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70""#;
        let of = |kind, end: &str| {
            let kept = Kept { data: Some(format!("{order}{end}")), placed_data: None };
            facts(kind, &kept).unwrap().guest_order().map(|id| id.0)
        };
        assert_eq!(of(Kind::OrderShipped, r#", "guest": true}"#), Some(42));
        assert_eq!(of(Kind::OrderShipped, "}"), None, "it is somebody's, or an earlier build told of it");
        assert_eq!(of(Kind::StockReleased, r#", "guest": true}"#), None, "the shop is told");
        assert_eq!(of(Kind::PlacementGivenUp, r#", "guest": true}"#), None, "there is no order to be taken");
    }

    #[test]
    fn the_lines_of_an_order_are_those_of_its_placing_where_the_event_names_none() {
        let event = |item: &str| {
            format!(r#"{{"orderId": 42, "reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "items": [{item}]}}"#)
        };
        let lines = |data: &str, placed: Option<&str>| {
            let kept = Kept { data: Some(event(data)), placed_data: placed.map(event) };
            let Some(Facts::Order(order)) = facts(Kind::OrderConfirmed, &kept) else { panic!() };
            order.order.items.iter().map(|line| line.quantity).collect::<Vec<_>>()
        };
        let (two, three) = (r#"{"productId": 1, "quantity": 2}"#, r#"{"productId": 1, "quantity": 3}"#);
        assert_eq!(lines("", Some(three)), [3]);
        assert_eq!(lines(two, Some(three)), [2]);
        assert!(lines("", None).is_empty());
    }
}
