//! Stripe: its protocol, its ledger, and what customers, banks and people at its dashboard do.

mod error;
mod form;
pub(crate) mod ledger;
mod lists;
pub(crate) mod protocol;
mod refunds;
pub(crate) mod tokens;

pub use error::Refusal;
pub use ledger::{Dispute, Intent, Refund, Status};
pub use tokens::Decline;

use crate::{Shared, Totals};
use refunds::NewRefund;
use std::sync::Arc;

/// Stripe's side of a sandbox, as everybody but the shop sees it.
#[derive(Debug)]
pub struct Stripe<'a>(pub(crate) &'a Arc<Shared>);

impl Stripe<'_> {
    /// The customer tries a means of payment, such as `pm_card_visa`; a decline is an error.
    pub fn pays(&self, intent: &str, payment_method: &str) -> Result<Intent, Refusal> {
        self.0.change(|state| state.stripe.confirm(intent, Some(payment_method), None))
    }

    /// The customer says yes or no on the page of their bank.
    pub fn acts(&self, intent: &str, succeeds: bool) -> Result<Intent, Refusal> {
        self.0.change(|state| state.stripe.act(intent, succeeds))
    }

    /// A promise that nobody took up in time ends.
    pub fn expires(&self, intent: &str) -> Result<Intent, Refusal> {
        self.0.change(|state| state.stripe.cancel(intent, Some("automatic")))
    }

    /// Somebody gives money back in the dashboard; all that is left, unless an amount is given.
    pub fn refunds(&self, intent: &str, amount: Option<u64>) -> Result<Refund, Refusal> {
        let new = NewRefund { payment_intent: intent.to_owned(), amount, ..NewRefund::default() };
        self.0.change(|state| state.stripe.give_back(new))
    }

    /// A refund fails, also after it succeeded.
    pub fn refund_fails(&self, refund: &str) -> Result<Refund, Refusal> {
        self.0.change(|state| state.stripe.fail_refund(refund))
    }

    /// A refund ends as the card wants it: `pm_card_refundFail` fails, `pm_card_refundPending` succeeds.
    pub fn refund_settles(&self, refund: &str) -> Result<Refund, Refusal> {
        self.0.change(|state| state.stripe.settle_refund(refund))
    }

    /// The customer asks the bank for the money back.
    pub fn disputes(&self, intent: &str) -> Result<Dispute, Refusal> {
        self.0.change(|state| state.stripe.dispute(intent))
    }

    /// Every payment, oldest first.
    pub fn all_intents(&self) -> Vec<Intent> {
        self.0.lock().stripe.intents.values().cloned().collect()
    }

    /// Every refund, oldest first.
    pub fn all_refunds(&self) -> Vec<Refund> {
        self.0.lock().stripe.refunds.values().cloned().collect()
    }

    /// The payments with this `metadata[reference]`, oldest first.
    pub fn intents_of(&self, reference: &str) -> Vec<Intent> {
        self.all_intents().into_iter().filter(|intent| intent.reference() == Some(reference)).collect()
    }

    /// What was taken and given back under this `metadata[reference]`.
    pub fn totals(&self, reference: &str) -> Totals {
        let intents = self.intents_of(reference);
        let is_of_them = |refund: &Refund| intents.iter().any(|intent| intent.id == refund.payment_intent);
        let refunds = self.all_refunds().into_iter().filter(|it| it.status == "succeeded" && is_of_them(it));
        Totals {
            captured: intents.iter().map(|intent| intent.received).sum(),
            refunded: refunds.map(|refund| refund.amount).sum(),
        }
    }

    /// Every reference under which money was taken; the payment's id where it has none.
    pub fn references(&self) -> Vec<String> {
        let taken = self.all_intents().into_iter().filter(|intent| intent.received > 0);
        let mut all: Vec<String> = taken.map(|it| it.reference().unwrap_or(&it.id).to_owned()).collect();
        all.sort();
        all.dedup();
        all
    }
}

impl Intent {
    /// What the shop calls it: `metadata[reference]`.
    pub fn reference(&self) -> Option<&str> {
        self.metadata.get("reference").map(String::as_str)
    }
}
