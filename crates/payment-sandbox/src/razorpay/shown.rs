//! Orders, payments and refunds as Razorpay's API shows them.

use crate::razorpay::ledger::{Order, Payment, Refund};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// No notes are an empty list, as PHP has it.
fn notes(notes: &BTreeMap<String, String>) -> Value {
    if notes.is_empty() { json!([]) } else { json!(notes) }
}

impl Order {
    /// As the API shows it.
    pub(crate) fn shown(&self) -> Value {
        let paid = if self.status == "paid" { self.amount } else { 0 };
        json!({
            "id": self.id, "entity": "order", "amount": self.amount, "amount_paid": paid,
            "amount_due": self.amount - paid, "currency": self.currency, "receipt": self.receipt, "offer_id": null,
            "status": self.status, "attempts": self.attempts, "notes": notes(&self.notes),
            "created_at": self.created_at,
        })
    }
}

impl Payment {
    /// As the API shows it.
    pub(crate) fn shown(&self) -> Value {
        let refund_status = match self.refunded {
            0 => None,
            all if all == self.amount => Some("full"),
            _ => Some("partial"),
        };
        let failure = |text: &'static str| (self.status == "failed").then_some(text);
        let of = |method: &str, text: &'static str| (self.method == method).then_some(text);
        json!({
            "id": self.id, "entity": "payment", "amount": self.amount, "currency": self.currency,
            "status": self.status, "order_id": self.order_id, "invoice_id": null, "international": false,
            "method": self.method, "amount_refunded": self.refunded, "refund_status": refund_status,
            "captured": self.captured > 0, "description": null, "card_id": of("card", "card_sandbox"),
            "bank": of("netbanking", "HDFC"), "wallet": of("wallet", "olamoney"), "vpa": self.vpa,
            "email": "void@razorpay.com", "contact": "+919999999999", "notes": [], "fee": null, "tax": null,
            "error_code": failure("BAD_REQUEST_ERROR"),
            "error_description": failure("Your payment didn't go through as it was declined by the bank."),
            "error_source": failure("customer"), "error_step": failure("payment_authentication"),
            "error_reason": failure("payment_failed"), "acquirer_data": {}, "created_at": self.created_at,
        })
    }
}

impl Refund {
    /// As the API shows it.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "id": self.id, "entity": "refund", "amount": self.amount, "currency": self.currency,
            "payment_id": self.payment_id, "notes": notes(&self.notes), "receipt": self.receipt,
            "acquirer_data": {"arn": null}, "created_at": self.created_at, "batch_id": null, "status": self.status,
            "speed_requested": self.speed, "speed_processed": "normal",
        })
    }
}
