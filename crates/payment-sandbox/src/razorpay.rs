//! Razorpay: its protocol, its ledger, and what customers, banks and people at its dashboard do.

mod error;
mod fields;
pub(crate) mod ledger;
pub(crate) mod protocol;
mod refunds;
mod shown;

pub use error::Refusal;
pub use ledger::{Order, Payment, Refund};

use crate::hooks::hmac_hex;
use crate::{Shared, Totals};
use refunds::NewRefund;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the browser of a customer who has paid brings back to the shop.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Paid {
    /// `pay_…`
    pub razorpay_payment_id: String,
    /// `order_…`
    pub razorpay_order_id: String,
    /// HMAC-SHA256 of `order|payment` under the key's secret.
    pub razorpay_signature: String,
}

/// Razorpay's side of a sandbox, as everybody but the shop sees it.
#[derive(Debug)]
pub struct Razorpay<'a>(pub(crate) &'a Arc<Shared>);

impl Razorpay<'_> {
    /// The customer pays an order: `success@razorpay` or `failure@razorpay` by `upi`, `card`, `netbanking` or `wallet`. A
    /// failure is an error that names the payment.
    pub fn pays(&self, order: &str, outcome: &str, method: &str) -> Result<Paid, Refusal> {
        if !["success@razorpay", "failure@razorpay"].contains(&outcome) {
            return Err(Refusal::field("vpa", "Invalid VPA. Please enter a valid Virtual Payment Address"));
        }
        let payment = self.0.change(|state| {
            let begun = state.razorpay.begin(order, method, (method == "upi").then_some(outcome))?;
            state.razorpay.end(&begun.id, outcome == "success@razorpay")
        })?;
        if payment.status == "failed" {
            let description = "Your payment didn't go through as it was declined by the bank.";
            let (reason, payment) = (Some("payment_failed".to_owned()), Some(payment.id));
            return Err(Refusal { reason, payment, ..Refusal::bad(description) });
        }
        Ok(self.paid(&payment))
    }

    /// The customer begins to pay an order and is not done.
    pub fn begins(&self, order: &str, method: &str) -> Result<Payment, Refusal> {
        self.0.change(|state| state.razorpay.begin(order, method, None))
    }

    /// The bank says how a payment ended. One that failed may still succeed: a late authorization.
    pub fn ends(&self, payment: &str, succeeds: bool) -> Result<Payment, Refusal> {
        self.0.change(|state| state.razorpay.end(payment, succeeds))
    }

    /// The bank promises the money of a payment, and Razorpay takes its time to capture it.
    pub fn promises(&self, payment: &str) -> Result<Payment, Refusal> {
        self.0.change(|state| state.razorpay.authorize(payment))
    }

    /// Razorpay captures by itself what is authorized.
    pub fn captures(&self, payment: &str) -> Result<Payment, Refusal> {
        self.0.change(|state| {
            let amount = state.razorpay.payment(payment)?.amount;
            state.razorpay.capture(payment, amount)
        })
    }

    /// The customer asks the bank for all that was taken. Gives the name of the dispute.
    pub fn disputes(&self, payment: &str) -> Result<String, Refusal> {
        self.0.change(|state| state.razorpay.dispute(payment))
    }

    /// What the browser brings back to the shop for a payment, signed.
    pub fn paid(&self, payment: &Payment) -> Paid {
        let text = format!("{}|{}", payment.order_id, payment.id);
        Paid {
            razorpay_payment_id: payment.id.clone(),
            razorpay_order_id: payment.order_id.clone(),
            razorpay_signature: hmac_hex(&self.0.options.razorpay_key_secret, &text),
        }
    }

    /// A payment that is authorized goes back by itself, because nobody captured it in time.
    pub fn goes_back(&self, payment: &str) -> Result<Refund, Refusal> {
        self.0.change(|state| state.razorpay.give_back_uncaptured(payment))
    }

    /// Somebody gives money back in the dashboard; all that is left, unless an amount is given.
    pub fn refunds(&self, payment: &str, amount: Option<u64>) -> Result<Refund, Refusal> {
        self.0.change(|state| state.razorpay.give_back(payment, NewRefund { amount, ..NewRefund::default() }))
    }

    /// A refund fails, also after it was processed.
    pub fn refund_fails(&self, refund: &str) -> Result<Refund, Refusal> {
        self.0.change(|state| state.razorpay.fail_refund(refund))
    }

    /// Every order, oldest first.
    pub fn all_orders(&self) -> Vec<Order> {
        self.0.lock().razorpay.orders.values().cloned().collect()
    }

    /// Every payment, oldest first.
    pub fn all_payments(&self) -> Vec<Payment> {
        self.0.lock().razorpay.payments.values().cloned().collect()
    }

    /// Every refund, oldest first.
    pub fn all_refunds(&self) -> Vec<Refund> {
        self.0.lock().razorpay.refunds.values().cloned().collect()
    }

    /// The orders with this receipt, oldest first.
    pub fn orders_of(&self, receipt: &str) -> Vec<Order> {
        self.0.lock().razorpay.orders_of(receipt).cloned().collect()
    }

    /// The payments of an order, oldest first.
    pub fn payments_of(&self, order: &str) -> Vec<Payment> {
        self.0.lock().razorpay.payments_of(order).cloned().collect()
    }

    /// What was captured, and given back of that, under each receipt; under the order's id where it has none. A payment
    /// that was never captured and went back by itself is neither.
    pub fn all_totals(&self) -> BTreeMap<String, Totals> {
        let state = self.0.lock();
        let ledger = &state.razorpay;
        let reference = |payment: &Payment| {
            let receipt = ledger.orders.get(&payment.order_id).and_then(|order| order.receipt.clone());
            receipt.unwrap_or_else(|| payment.order_id.clone())
        };
        let mut all: BTreeMap<String, Totals> = BTreeMap::new();
        for payment in ledger.payments.values().filter(|payment| payment.captured > 0) {
            all.entry(reference(payment)).or_default().captured += payment.captured;
        }
        for refund in ledger.refunds.values().filter(|refund| refund.status == "processed") {
            if let Some(payment) = ledger.payments.get(&refund.payment_id).filter(|payment| payment.captured > 0) {
                all.entry(reference(payment)).or_default().refunded += refund.amount;
            }
        }
        all
    }

    /// The part of [`Self::all_totals`] of one reference.
    pub fn totals(&self, reference: &str) -> Totals {
        self.all_totals().remove(reference).unwrap_or_default()
    }
}
