//! What Razorpay knows: orders, their payments and refunds, and what may become of them. Nothing here is HTTP.

use crate::hooks::{Happened, Provider};
use crate::journal::Record;
use crate::news::{Ids, News};
use crate::now;
use crate::razorpay::error::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An order, for which the customer pays once, in any number of attempts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Order {
    /// `order_…`
    pub id: String,
    /// In hundredths.
    pub amount: u64,
    /// In capitals.
    pub currency: String,
    /// What the shop calls it.
    pub receipt: Option<String>,
    /// What the shop wrote on it.
    pub notes: BTreeMap<String, String>,
    /// Whether a payment is captured by itself as soon as it is authorized.
    pub automatic: bool,
    /// `created`, `attempted` or `paid`; paid for good, also after refunds.
    pub status: String,
    /// How often the customer tried.
    pub attempts: u64,
    /// In seconds since 1970.
    pub created_at: u64,
}

/// One attempt of a customer to pay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Payment {
    /// `pay_…`
    pub id: String,
    /// The order.
    pub order_id: String,
    /// In hundredths.
    pub amount: u64,
    /// In capitals.
    pub currency: String,
    /// `created`, `authorized`, `captured`, `refunded` or `failed`.
    pub status: String,
    /// `upi`, `card`, `netbanking` or `wallet`.
    pub method: String,
    /// The customer's address at UPI.
    pub vpa: Option<String>,
    /// Taken by the shop.
    pub captured: u64,
    /// Given back, or on its way; also by Razorpay itself.
    pub refunded: u64,
    /// In seconds since 1970.
    pub created_at: u64,
}

/// A refund.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refund {
    /// `rfnd_…`
    pub id: String,
    /// The payment.
    pub payment_id: String,
    /// In hundredths.
    pub amount: u64,
    /// In capitals.
    pub currency: String,
    /// `pending`, `processed` or `failed`.
    pub status: String,
    /// `normal` or `optimum`.
    pub speed: String,
    /// What the shop calls it.
    pub receipt: Option<String>,
    /// What the shop wrote on it.
    pub notes: BTreeMap<String, String>,
    /// In seconds since 1970.
    pub created_at: u64,
}

/// What an order is opened with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct NewOrder {
    pub amount: u64,
    pub currency: String,
    pub receipt: Option<String>,
    pub notes: BTreeMap<String, String>,
    pub automatic: bool,
}

/// Everything that Razorpay keeps.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub ids: Ids,
    pub orders: BTreeMap<String, Order>,
    pub payments: BTreeMap<String, Payment>,
    pub refunds: BTreeMap<String, Refund>,
    /// The ids of the orders with a receipt, and of the payments of an order, each oldest first.
    by_receipt: BTreeMap<String, Vec<String>>,
    by_order: BTreeMap<String, Vec<String>>,
    pub news: News,
}

impl Ledger {
    /// What has changed since this was last asked.
    pub(crate) fn news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// Tells of something with all that it is about.
    pub(super) fn tell(&mut self, kind: &str, about: &[(&str, Value)]) {
        let contains: Vec<&str> = about.iter().map(|(name, _)| *name).collect();
        let payload = about.iter().map(|(name, entity)| ((*name).to_owned(), json!({"entity": entity})));
        let payload: serde_json::Map<String, Value> = payload.collect();
        let body = json!({
            "entity": "event", "account_id": "acc_sandbox", "event": kind, "contains": contains, "payload": payload,
            "created_at": now(),
        });
        let (id, kind, body) = (self.ids.next("evt"), kind.to_owned(), body.to_string());
        self.news.happened.push(Happened { provider: Provider::Razorpay, id, kind, body });
    }

    pub(super) fn save_payment(&mut self, payment: Payment, kind: Option<&str>) -> Payment {
        if let Some(kind) = kind {
            self.tell(kind, &[("payment", payment.shown())]);
        }
        self.news.records.push(Record::Payment(payment.clone()));
        self.load_payment(payment.clone());
        payment
    }

    /// Puts a payment in as it is.
    pub(crate) fn load_payment(&mut self, payment: Payment) {
        if !self.payments.contains_key(&payment.id) {
            self.by_order.entry(payment.order_id.clone()).or_default().push(payment.id.clone());
        }
        self.payments.insert(payment.id.clone(), payment);
    }

    fn save_order(&mut self, order: Order) -> Order {
        self.news.records.push(Record::Order(order.clone()));
        self.load_order(order.clone());
        order
    }

    /// Puts an order in as it is.
    pub(crate) fn load_order(&mut self, order: Order) {
        if let Some(receipt) = order.receipt.clone().filter(|_| !self.orders.contains_key(&order.id)) {
            self.by_receipt.entry(receipt).or_default().push(order.id.clone());
        }
        self.orders.insert(order.id.clone(), order);
    }

    /// Opens an order.
    pub(crate) fn create(&mut self, new: NewOrder) -> Order {
        let NewOrder { amount, currency, receipt, notes, automatic } = new;
        let (id, status) = (self.ids.next("order"), "created".to_owned());
        self.save_order(Order {
            id,
            amount,
            currency,
            receipt,
            notes,
            automatic,
            status,
            attempts: 0,
            created_at: now(),
        })
    }

    /// An order as it is now.
    pub(crate) fn order(&self, id: &str) -> Result<Order, Refusal> {
        self.orders.get(id).cloned().ok_or_else(Refusal::missing)
    }

    /// The orders with this receipt, oldest first.
    pub(crate) fn orders_of(&self, receipt: &str) -> impl DoubleEndedIterator<Item = &Order> {
        self.by_receipt.get(receipt).into_iter().flatten().filter_map(|id| self.orders.get(id))
    }

    /// A payment as it is now.
    pub(crate) fn payment(&self, id: &str) -> Result<Payment, Refusal> {
        self.payments.get(id).cloned().ok_or_else(Refusal::missing)
    }

    /// The payments of an order, oldest first.
    pub(crate) fn payments_of(&self, order: &str) -> impl DoubleEndedIterator<Item = &Payment> {
        self.by_order.get(order).into_iter().flatten().filter_map(|id| self.payments.get(id))
    }

    /// The customer begins to pay.
    pub(crate) fn begin(&mut self, order: &str, method: &str, vpa: Option<&str>) -> Result<Payment, Refusal> {
        let mut order = self.order(order)?;
        if !["upi", "card", "netbanking", "wallet"].contains(&method) {
            return Err(Refusal::field("method", "The selected method is invalid."));
        }
        if order.status == "paid" {
            return Err(Refusal::bad("Payment already done for this order."));
        }
        if self.payments_of(&order.id).any(|payment| payment.status == "authorized") {
            return Err(Refusal::bad("A payment of this order is authorized already."));
        }
        order.attempts += 1;
        "attempted".clone_into(&mut order.status);
        let order = self.save_order(order);
        let payment = Payment {
            id: self.ids.next("pay"),
            order_id: order.id,
            amount: order.amount,
            currency: order.currency,
            status: "created".to_owned(),
            method: method.to_owned(),
            vpa: vpa.map(str::to_owned),
            captured: 0,
            refunded: 0,
            created_at: now(),
        };
        Ok(self.save_payment(payment, None))
    }

    /// The bank says how a payment ended. A failed one may still turn out to be paid.
    pub(crate) fn end(&mut self, payment: &str, succeeds: bool) -> Result<Payment, Refusal> {
        if !succeeds {
            return self.move_payment(payment, &["created"], "failed");
        }
        let payment = self.authorize(payment)?;
        let order = self.order(&payment.order_id)?;
        if order.automatic && order.status != "paid" {
            return self.capture(&payment.id, payment.amount);
        }
        Ok(payment)
    }

    /// The bank promises the money of a payment.
    pub(crate) fn authorize(&mut self, payment: &str) -> Result<Payment, Refusal> {
        self.move_payment(payment, &["created", "failed"], "authorized")
    }

    fn move_payment(&mut self, payment: &str, from: &[&str], to: &str) -> Result<Payment, Refusal> {
        let mut payment = self.payment(payment)?;
        if !from.contains(&payment.status.as_str()) {
            return Err(Refusal::bad(format!("The payment is {} already.", payment.status)));
        }
        to.clone_into(&mut payment.status);
        Ok(self.save_payment(payment, Some(&format!("payment.{to}"))))
    }

    /// Takes the money of a payment: all of it, nothing less.
    pub(crate) fn capture(&mut self, payment: &str, amount: u64) -> Result<Payment, Refusal> {
        let mut payment = self.payment(payment)?;
        match payment.status.as_str() {
            "authorized" => {}
            "captured" => return Err(Refusal::bad("This payment has already been captured")),
            _ => {
                let description = "Only payments which have been authorized and not yet captured can be captured";
                return Err(Refusal::bad(description));
            }
        }
        if amount != payment.amount {
            return Err(Refusal::field("amount", "Capture amount must be equal to the amount authorized"));
        }
        let mut order = self.order(&payment.order_id)?;
        if order.status == "paid" {
            return Err(Refusal::bad("Another payment of this order has been captured already"));
        }
        "captured".clone_into(&mut payment.status);
        payment.captured = payment.amount;
        "paid".clone_into(&mut order.status);
        let payment = self.save_payment(payment, Some("payment.captured"));
        let order = self.save_order(order);
        self.tell("order.paid", &[("payment", payment.shown()), ("order", order.shown())]);
        Ok(payment)
    }
}
