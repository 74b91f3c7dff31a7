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
use std::collections::BTreeMap;
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
        let state = self.0.lock();
        state.stripe.intents.values().filter(|intent| intent.reference() == Some(reference)).cloned().collect()
    }

    /// What was taken, and given back of that, under each `metadata[reference]`; under the payment's id where it has none.
    pub fn all_totals(&self) -> BTreeMap<String, Totals> {
        let state = self.0.lock();
        let ledger = &state.stripe;
        let mut all: BTreeMap<String, Totals> = BTreeMap::new();
        for intent in ledger.intents.values().filter(|intent| intent.received > 0) {
            let totals = all.entry(intent.reference().unwrap_or(&intent.id).to_owned()).or_default();
            let refunds = ledger.refunds_of(&intent.id).filter(|refund| refund.status == "succeeded");
            totals.captured += intent.received;
            totals.refunded += refunds.map(|refund| refund.amount).sum::<u64>();
        }
        all
    }

    /// The part of [`Self::all_totals`] of one reference.
    pub fn totals(&self, reference: &str) -> Totals {
        self.all_totals().remove(reference).unwrap_or_default()
    }
}

impl Intent {
    /// What the shop calls it: `metadata[reference]`.
    pub fn reference(&self) -> Option<&str> {
        self.metadata.get("reference").map(String::as_str)
    }
}
