//! The facts as templates see them: amounts as texts, and nothing in them that could break a line or turn it around.

use crate::notifications::domain::code::Code;
use crate::notifications::domain::texts::one_line;
use crate::notifications::domain::{
    About, AccountFacts, Facts, GuestFacts, Kind, LineFacts, MoneyFacts, OrderFacts, StockFacts,
};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use shared_types::{Money, OrderId, ProductId};

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
    link: Option<String>,
    #[serde(serialize_with = "written_out")]
    claim_code: Option<Code>,
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
            Facts::Order(facts) => {
                Self { order: Some(order(facts)), money: facts.money.as_ref().map(moved), ..nothing }
            }
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

fn order(facts: &OrderFacts) -> Order {
    let address_lines: Vec<String> =
        facts.shipping_address.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let linked = facts.guest.as_ref().filter(|guest| guest.link.is_some());
    Order {
        number: plain(&facts.number),
        customer_name: plain(&facts.customer_name),
        shipping_address: address_lines.join(", "),
        address_lines,
        note: facts.note.as_deref().map(plain).filter(|note| !note.is_empty()),
        total: facts.total.map(|total| total.to_string()),
        lines: facts.lines.iter().map(line).collect(),
        reason: facts.reason.as_deref().map(plain).filter(|reason| !reason.is_empty()),
        link: linked.and_then(|guest| guest.link.clone()),
        claim_code: linked.map(|guest| guest.code.clone()),
    }
}

fn moved(facts: &MoneyFacts) -> MovedMoney {
    MovedMoney { amount: facts.amount.to_string(), currency: plain(&facts.currency) }
}

fn line(facts: &LineFacts) -> Line {
    Line {
        product_id: facts.product_id.to_string(),
        name: facts.name.as_deref().map(plain).filter(|name| !name.is_empty()),
        quantity: facts.quantity,
        price: facts.price.map(|price| price.to_string()),
        subtotal: facts.subtotal.map(|subtotal| subtotal.to_string()),
    }
}

fn stock(facts: &StockFacts) -> Stock {
    Stock {
        product_id: facts.product_id.to_string(),
        sku: plain(&facts.sku),
        stock_quantity: facts.stock_quantity,
        low_stock_threshold: facts.low_stock_threshold,
    }
}

fn account(facts: &AccountFacts) -> Account {
    Account {
        name: facts.name.as_deref().map(plain).filter(|name| !name.is_empty()),
        email: plain(&facts.email),
        code: facts.code.clone(),
    }
}

/// The only place where a code becomes text.
fn written_out<S: Serializer>(code: &Option<Code>, serializer: S) -> Result<S::Ok, S::Error> {
    let code = code.as_ref().map(|code| plain(code.as_text()));
    code.serialize(serializer)
}

/// In one line, and without the characters that turn the direction of the text after them.
fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    one_line(text).replace(turns, "")
}

/// Made-up facts, all and as few as there can be, to try the templates with.
pub(super) fn samples(kind: Kind) -> Vec<Facts> {
    let money = |cents: i64| Money::from(Decimal::new(cents, 2));
    match kind.about() {
        About::Stock => {
            let sku = "MOUSE-001".to_owned();
            let facts = StockFacts { product_id: ProductId(2), sku, stock_quantity: 9, low_stock_threshold: 10 };
            return vec![Facts::Stock(facts)];
        }
        About::Account => {
            let (name, email) = (Some("Ada Lovelace".to_owned()), "ada@example.com".to_owned());
            let full = AccountFacts { name, email, code: kind.has_code().then(|| Code::new("7K2M-Q9XB".to_owned())) };
            return vec![Facts::Account(full.clone()), Facts::Account(AccountFacts { name: None, ..full })];
        }
        About::Order => {}
    }
    let whole = LineFacts {
        product_id: ProductId(2),
        name: Some("Wireless Mouse".to_owned()),
        quantity: 3,
        price: Some(money(2999)),
        subtotal: Some(money(8997)),
    };
    let bare = LineFacts { name: None, price: None, subtotal: None, ..whole.clone() };
    let full = OrderFacts {
        number: "ORD-00000042".to_owned(),
        customer_name: "Ada Lovelace".to_owned(),
        shipping_address: "12 St James's Square\nLondon".to_owned(),
        note: Some("Please ring twice".to_owned()),
        total: Some(money(8997)),
        lines: vec![whole],
        reason: Some("the customer changed their mind".to_owned()),
        guest: Some(GuestFacts {
            order: OrderId(42),
            link: Some("https://shop.example/api/orders/guest/AQAA".to_owned()),
            code: Code::new("7K2M-Q9XB".to_owned()),
        }),
        money: kind.is_about_money().then(|| MoneyFacts { amount: money(8997), currency: "INR".to_owned() }),
    };
    let few = OrderFacts { note: None, total: None, lines: vec![bare], reason: None, guest: None, ..full.clone() };
    vec![Facts::Order(full), Facts::Order(few)]
}
