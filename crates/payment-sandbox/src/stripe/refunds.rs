//! Money that goes back: by a refund, or because the customer disputes the payment.

use crate::journal::Record;
use crate::now;
use crate::stripe::error::Refusal;
use crate::stripe::ledger::{Dispute, Ledger, Refund};
use crate::stripe::tokens::{Fate, fate_of_refunds};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a refund is made with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct NewRefund {
    pub payment_intent: String,
    /// All that is left, unless it is given.
    pub amount: Option<u64>,
    pub reason: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

impl Ledger {
    fn save_refund(&mut self, refund: Refund, kinds: &[&str]) -> Refund {
        kinds.iter().for_each(|kind| self.tell(kind, &refund.shown()));
        self.news.records.push(Record::StripeRefund(refund.clone()));
        self.load_refund(refund.clone());
        refund
    }

    /// Puts a refund in as it is.
    pub(crate) fn load_refund(&mut self, refund: Refund) {
        if !self.refunds.contains_key(&refund.id) {
            self.by_intent.entry(refund.payment_intent.clone()).or_default().push(refund.id.clone());
        }
        self.refunds.insert(refund.id.clone(), refund);
    }

    /// The refunds of a payment, oldest first.
    pub(crate) fn refunds_of(&self, intent: &str) -> impl DoubleEndedIterator<Item = &Refund> {
        self.by_intent.get(intent).into_iter().flatten().filter_map(|id| self.refunds.get(id))
    }

    /// A refund as it is now.
    pub(crate) fn refund(&self, id: &str) -> Result<Refund, Refusal> {
        self.refunds.get(id).cloned().ok_or_else(|| Refusal::missing("refund", id))
    }

    /// What was given back of a payment, or is on its way.
    fn reserved(&self, intent: &str) -> u64 {
        self.refunds_of(intent).filter(|refund| refund.status != "failed").map(|refund| refund.amount).sum()
    }

    /// Gives money back.
    pub(crate) fn give_back(&mut self, new: NewRefund) -> Result<Refund, Refusal> {
        let NewRefund { payment_intent, amount, reason, metadata } = new;
        let intent = self.intent(&payment_intent)?;
        if intent.received == 0 {
            let message = "This PaymentIntent does not have a successful charge to refund.";
            return Err(Refusal::invalid("payment_intent_unexpected_state", message));
        }
        let left = intent.received.saturating_sub(self.reserved(&intent.id));
        if left == 0 {
            return Err(Refusal::invalid("charge_already_refunded", "The charge has already been refunded."));
        }
        let amount = amount.unwrap_or(left);
        if amount == 0 || amount > left {
            let message = format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
            return Err(Refusal::invalid("amount_too_large", message));
        }
        let waits = fate_of_refunds(intent.payment_method.as_deref()) == Fate::Waits;
        let refund = Refund {
            id: self.ids.next("re"),
            payment_intent,
            charge: intent.charge,
            amount,
            currency: intent.currency,
            status: if waits { "pending" } else { "succeeded" }.to_owned(),
            reason,
            metadata,
            created: now(),
        };
        Ok(self.save_refund(refund, &["refund.created"]))
    }

    /// Lets a refund fail, also after it succeeded, as a bank may.
    pub(crate) fn fail_refund(&mut self, id: &str) -> Result<Refund, Refusal> {
        let mut refund = self.refund(id)?;
        "failed".clone_into(&mut refund.status);
        Ok(self.save_refund(refund, &["refund.updated", "refund.failed"]))
    }

    /// Lets a refund end as the card of its payment wants it.
    pub(crate) fn settle_refund(&mut self, id: &str) -> Result<Refund, Refusal> {
        let mut refund = self.refund(id)?;
        if !self.is_unsettled(&refund) {
            return Ok(refund);
        }
        if refund.status == "succeeded" {
            return self.fail_refund(id);
        }
        "succeeded".clone_into(&mut refund.status);
        Ok(self.save_refund(refund, &["refund.updated"]))
    }

    /// Whether something is still to become of a refund.
    pub(crate) fn is_unsettled(&self, refund: &Refund) -> bool {
        let paid_by = self.intents.get(&refund.payment_intent).and_then(|intent| intent.payment_method.as_deref());
        match fate_of_refunds(paid_by) {
            Fate::Lasts => false,
            Fate::Fails => refund.status == "succeeded",
            Fate::Waits => refund.status == "pending",
        }
    }

    /// The customer asks the bank for all that was taken.
    pub(crate) fn dispute(&mut self, intent: &str) -> Result<Dispute, Refusal> {
        let intent = self.intent(intent)?;
        let dispute = Dispute {
            id: self.ids.next("dp"),
            payment_intent: intent.id,
            charge: intent.charge,
            amount: intent.received,
            currency: intent.currency,
            created: now(),
        };
        self.tell("charge.dispute.created", &dispute.shown());
        self.news.records.push(Record::Dispute(dispute.clone()));
        self.disputes.insert(dispute.id.clone(), dispute.clone());
        Ok(dispute)
    }
}

impl Refund {
    /// As the API shows it.
    pub(crate) fn shown(&self) -> Value {
        let failure = (self.status == "failed").then_some("expired_or_canceled_card");
        json!({
            "id": self.id, "object": "refund", "amount": self.amount, "currency": self.currency, "charge": self.charge,
            "payment_intent": self.payment_intent, "status": self.status, "reason": self.reason,
            "metadata": self.metadata, "failure_reason": failure, "created": self.created,
        })
    }
}

impl Dispute {
    /// As the API shows it.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "id": self.id, "object": "dispute", "amount": self.amount, "currency": self.currency,
            "charge": self.charge, "payment_intent": self.payment_intent, "reason": "fraudulent",
            "status": "needs_response", "metadata": {}, "created": self.created, "livemode": false,
        })
    }
}
