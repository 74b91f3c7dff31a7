//! Money that goes back: because the shop or a person wants it, or because nobody captured it in time. And money that a
//! customer wants back from the bank.

use crate::journal::Record;
use crate::now;
use crate::razorpay::error::Refusal;
use crate::razorpay::ledger::{Ledger, Payment, Refund};
use serde_json::json;
use std::collections::BTreeMap;

/// What a refund is made with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct NewRefund {
    /// All that is left, unless it is given.
    pub amount: Option<u64>,
    pub speed: Option<String>,
    pub receipt: Option<String>,
    pub notes: BTreeMap<String, String>,
}

impl Ledger {
    fn save_refund(&mut self, refund: Refund, payment: &Payment, kinds: &[&str]) -> Refund {
        for kind in kinds {
            self.tell(kind, &[("refund", refund.shown()), ("payment", payment.shown())]);
        }
        self.news.records.push(Record::RazorpayRefund(refund.clone()));
        self.refunds.insert(refund.id.clone(), refund.clone());
        refund
    }

    /// A refund as it is now.
    pub(crate) fn refund(&self, id: &str) -> Result<Refund, Refusal> {
        self.refunds.get(id).cloned().ok_or_else(Refusal::missing)
    }

    /// Gives money of a captured payment back.
    pub(crate) fn give_back(&mut self, payment: &str, new: NewRefund) -> Result<Refund, Refusal> {
        let payment = self.payment(payment)?;
        match payment.status.as_str() {
            "captured" => {}
            "refunded" => return Err(Refusal::bad("The payment has been fully refunded already")),
            _ => return Err(Refusal::bad("The payment status should be captured for action to be taken")),
        }
        let left = payment.captured.saturating_sub(payment.refunded);
        let amount = new.amount.unwrap_or(left);
        if amount > left {
            return Err(Refusal::too_much("The refund amount provided is greater than amount captured"));
        }
        if amount < 100 {
            return Err(Refusal::field("amount", "The amount must be atleast INR 1.00"));
        }
        self.send_back(payment, amount, new)
    }

    /// Razorpay gives a payment back by itself that nobody captured.
    pub(crate) fn give_back_uncaptured(&mut self, payment: &str) -> Result<Refund, Refusal> {
        let payment = self.payment(payment)?;
        if payment.status != "authorized" {
            return Err(Refusal::bad("Only what is authorized and not captured goes back by itself"));
        }
        let amount = payment.amount;
        self.send_back(payment, amount, NewRefund::default())
    }

    fn send_back(&mut self, mut payment: Payment, amount: u64, new: NewRefund) -> Result<Refund, Refusal> {
        payment.refunded += amount;
        if payment.refunded == payment.amount {
            "refunded".clone_into(&mut payment.status);
        }
        let payment = self.save_payment(payment, None);
        let refund = Refund {
            id: self.ids.next("rfnd"),
            payment_id: payment.id.clone(),
            amount,
            currency: payment.currency.clone(),
            status: "processed".to_owned(),
            speed: new.speed.unwrap_or_else(|| "normal".to_owned()),
            receipt: new.receipt,
            notes: new.notes,
            created_at: now(),
        };
        Ok(self.save_refund(refund, &payment, &["refund.created", "refund.processed"]))
    }

    /// The customer asks the bank for all that was taken.
    pub(crate) fn dispute(&mut self, payment: &str) -> Result<String, Refusal> {
        let (payment, id) = (self.payment(payment)?, self.ids.next("disp"));
        let dispute = json!({
            "id": id, "entity": "dispute", "payment_id": payment.id, "amount": payment.captured,
            "currency": payment.currency, "amount_deducted": 0, "reason_code": "chargeback_authorization",
            "phase": "chargeback", "status": "open", "created_at": now(),
        });
        self.tell("payment.dispute.created", &[("payment", payment.shown()), ("dispute", dispute)]);
        Ok(id)
    }

    /// Lets a refund fail, also after it was processed, as a bank may: its amount can be given back again.
    pub(crate) fn fail_refund(&mut self, id: &str) -> Result<Refund, Refusal> {
        let mut refund = self.refund(id)?;
        if refund.status == "failed" {
            return Ok(refund);
        }
        "failed".clone_into(&mut refund.status);
        let mut payment = self.payment(&refund.payment_id)?;
        payment.refunded = payment.refunded.saturating_sub(refund.amount);
        let status = if payment.captured > 0 { "captured" } else { "authorized" };
        status.clone_into(&mut payment.status);
        let payment = self.save_payment(payment, None);
        Ok(self.save_refund(refund, &payment, &["refund.failed"]))
    }
}
