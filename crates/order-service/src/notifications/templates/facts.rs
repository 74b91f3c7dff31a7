//! The facts as templates see them: amounts as texts, and nothing in them that could break a line or turn it around.

use crate::notifications::domain::announced::AT_THE_DOOR;
use crate::notifications::domain::code::Code;
use crate::notifications::domain::texts::one_line;
use crate::notifications::domain::{About, AccountFacts, Facts, GuestFacts, Kind, MoneyFacts, OrderFacts};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use shared_types::events::{OrderLine, OrderSnapshot, StockLevel, ToldPayment};
use shared_types::{Money, OrderId, ProductId, Reference};
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

/// What a payment comes to of which customers are told.
const DUE: &str = "DUE";
const PAID: &str = "PAID";
const PART_REFUNDED: &str = "PART_REFUNDED";

/// All that a template can name.
#[derive(Debug, Serialize)]
pub(super) struct Context<'a> {
    shop: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Order>,
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<MovedMoney>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<Stock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Account>,
}

#[derive(Debug, Serialize)]
struct Order {
    number: String,
    customer_name: String,
    shipping_address: String,
    address_lines: Vec<String>,
    note: Option<String>,
    total: Option<String>,
    lines: Vec<Line>,
    reason: Option<String>,
    /// What has to be paid first.
    due: Option<DueMoney>,
    /// What was taken and goes back.
    taken: Option<TakenMoney>,
    link: Option<String>,
    #[serde(serialize_with = "written_out")]
    claim_code: Option<Code>,
}

#[derive(Debug, Serialize)]
struct DueMoney {
    amount: String,
    currency: Option<String>,
    pay_by: Option<String>,
}

#[derive(Debug, Serialize)]
struct TakenMoney {
    at_the_door: bool,
    /// Whether a part of it went back before.
    part: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    product_id: String,
    name: Option<String>,
    quantity: i32,
    price: Option<String>,
    subtotal: Option<String>,
}

#[derive(Debug, Serialize)]
struct MovedMoney {
    amount: String,
    currency: String,
    /// Whether it is less than the order costs, and more may be left.
    part: bool,
    at_the_door: bool,
}

#[derive(Debug, Serialize)]
struct Stock {
    product_id: String,
    sku: String,
    stock_quantity: i32,
    low_stock_threshold: i32,
}

#[derive(Debug, Serialize)]
struct Account {
    name: Option<String>,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "written_out")]
    code: Option<Code>,
}

impl<'a> Context<'a> {
    pub(super) fn new(facts: &Facts, shop: &'a str) -> Self {
        let nothing = Self { shop, order: None, money: None, stock: None, account: None };
        match facts {
            Facts::Order(facts) => Self { order: Some(order(facts)), money: moved(facts), ..nothing },
            Facts::Stock(facts) => Self { stock: Some(stock(facts)), ..nothing },
            Facts::Account(facts) => Self { account: Some(account(facts)), ..nothing },
        }
    }

    pub(super) fn reason(&self) -> Option<&str> {
        self.order.as_ref().and_then(|order| order.reason.as_deref())
    }

    pub(super) fn set_reason(&mut self, reason: Option<String>) {
        if let Some(order) = &mut self.order {
            order.reason = reason;
        }
    }
}

fn order(OrderFacts { order, guest, .. }: &OrderFacts) -> Order {
    let address_lines: Vec<String> =
        order.shipping_address.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let linked = guest.as_ref().filter(|guest| guest.link.is_some());
    Order {
        number: order.order_id.order_number(),
        customer_name: plain(&order.customer_name),
        shipping_address: address_lines.join(", "),
        address_lines,
        note: optional(order.note.as_deref()),
        total: order.total_amount.map(|total| total.to_string()),
        lines: order.items.iter().map(line).collect(),
        reason: optional(order.reason.as_deref()),
        due: order.payment.as_ref().and_then(due),
        taken: order.payment.as_ref().and_then(taken),
        link: linked.and_then(|guest| guest.link.clone()),
        claim_code: linked.map(|guest| guest.code.clone()),
    }
}

fn due(payment: &ToldPayment) -> Option<DueMoney> {
    let ToldPayment { status, amount, currency, pay_by, .. } = payment;
    let currency = optional(currency.as_deref());
    (status == DUE).then(|| DueMoney { amount: amount.to_string(), currency, pay_by: pay_by.map(minute) })
}

fn taken(payment: &ToldPayment) -> Option<TakenMoney> {
    let part = payment.status == PART_REFUNDED;
    (part || payment.status == PAID).then(|| TakenMoney { at_the_door: payment.method == AT_THE_DOOR, part })
}

/// A time as people read it, who may live anywhere: `2026-11-27 15:42 UTC`. What is left of the minute is left out.
fn minute(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    let (date, hour, minute) = (time.date(), time.hour(), time.minute());
    format!("{date} {hour:02}:{minute:02} UTC")
}

fn moved(OrderFacts { order, money, .. }: &OrderFacts) -> Option<MovedMoney> {
    let MoneyFacts { amount, currency, at_the_door, is_rest } = money.as_ref()?;
    let part = !is_rest && order.total_amount.is_some_and(|total| *amount < total);
    Some(MovedMoney { amount: amount.to_string(), currency: plain(currency), part, at_the_door: *at_the_door })
}

fn line(line: &OrderLine) -> Line {
    Line {
        product_id: line.product_id.to_string(),
        name: optional(line.product_name.as_deref()),
        quantity: line.quantity,
        price: line.price.map(|price| price.to_string()),
        subtotal: line.price.map(|price| price.times(line.quantity).to_string()),
    }
}

fn stock(level: &StockLevel) -> Stock {
    Stock {
        product_id: level.product_id.to_string(),
        sku: plain(&level.sku),
        stock_quantity: level.stock_quantity,
        low_stock_threshold: level.low_stock_threshold,
    }
}

fn account(facts: &AccountFacts) -> Account {
    Account { name: optional(facts.name.as_deref()), email: plain(&facts.email), code: facts.code.clone() }
}

/// The only place where a code becomes text.
fn written_out<S: Serializer>(code: &Option<Code>, serializer: S) -> Result<S::Ok, S::Error> {
    let code = code.as_ref().map(|code| plain(code.as_text()));
    code.serialize(serializer)
}

/// A text that may be missing, and is where nothing of it can be shown.
fn optional(text: Option<&str>) -> Option<String> {
    text.map(plain).filter(|text| !text.is_empty())
}

/// In one line, and without the characters that turn the direction of the text after them.
fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    one_line(text).replace(turns, "")
}

/// Made-up facts to try the templates with: first all that there can be, then as few.
pub fn samples(kind: Kind) -> Vec<Facts> {
    let money = |cents: i64| Money::from(Decimal::new(cents, 2));
    match kind.about() {
        About::Stock => {
            let sku = "MOUSE-001".to_owned();
            let facts = StockLevel { product_id: ProductId(2), sku, stock_quantity: 9, low_stock_threshold: 10 };
            return vec![Facts::Stock(facts)];
        }
        About::Account => {
            let (name, email) = (Some("Ada Lovelace".to_owned()), "ada@example.com".to_owned());
            let full = AccountFacts { name, email, code: kind.has_code().then(|| Code::new("7K2M-Q9XB".to_owned())) };
            return vec![Facts::Account(full.clone()), Facts::Account(AccountFacts { name: None, ..full })];
        }
        About::Order => {}
    }
    let whole = OrderLine {
        product_id: ProductId(2),
        product_name: Some("Wireless Mouse".to_owned()),
        quantity: 3,
        price: Some(money(2999)),
    };
    let bare = OrderLine { product_name: None, price: None, ..whole.clone() };
    let full = OrderSnapshot {
        order_id: OrderId(42),
        reference: Reference(Uuid::nil()),
        reason: Some("the customer changed their mind".to_owned()),
        customer_name: "Ada Lovelace".to_owned(),
        customer_email: "ada@example.com".to_owned(),
        customer_phone: None,
        shipping_address: "12 St James's Square\nLondon".to_owned(),
        note: Some("Please ring twice".to_owned()),
        total_amount: Some(money(8997)),
        items: vec![whole],
        guest: true,
        given_up: None,
        payment: told_payment(kind, PAID, "CARD"),
    };
    let few = OrderSnapshot {
        note: None,
        total_amount: None,
        items: vec![bare],
        reason: None,
        payment: None,
        ..full.clone()
    };
    let guest = GuestFacts {
        link: Some(format!("https://shop.example/api/orders/guest/{}", "A".repeat(60))),
        code: Code::new("7K2M-Q9XB".to_owned()),
    };
    let told = |cents, at_the_door| {
        let of = |amount| MoneyFacts { amount, currency: "INR".to_owned(), at_the_door, is_rest: false };
        kind.is_about_money().then(|| of(money(cents)))
    };
    let at_the_door = told_payment(kind, PART_REFUNDED, AT_THE_DOOR);
    let part = matches!(kind, Kind::OrderRefunded | Kind::OrderCancelled)
        .then(|| (OrderSnapshot { payment: at_the_door, ..full.clone() }, None, told(300, true)));
    let all = [(full, Some(guest), told(8997, false)), (few, None, told(8997, false))];
    all.into_iter()
        .chain(part)
        .map(|(order, guest, money)| Facts::Order(OrderFacts { order: Box::new(order), guest, money }))
        .collect()
}

/// The payment that a message of this kind tells of: due where the order is placed, `taken` so by `method` where it is cancelled.
fn told_payment(kind: Kind, taken: &str, method: &str) -> Option<ToldPayment> {
    let payment = |status: &str, method: &str, pay_by| ToldPayment {
        status: status.to_owned(),
        method: method.to_owned(),
        amount: Decimal::new(8997, 2).into(),
        currency: Some("INR".to_owned()),
        pay_by,
    };
    match kind {
        Kind::OrderPlaced => {
            let pay_by = OffsetDateTime::from_unix_timestamp(1_795_794_149).ok();
            Some(payment(DUE, "CARD", pay_by))
        }
        Kind::OrderCancelled => Some(payment(taken, method, None)),
        _ => None,
    }
}
