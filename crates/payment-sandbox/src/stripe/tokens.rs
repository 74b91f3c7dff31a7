//! Stripe's test tokens: what a means of payment does when it is tried, and what becomes of its refunds.

use crate::stripe::error::Refusal;
use serde::{Deserialize, Serialize};

/// Why an attempt to pay failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decline {
    /// `card_error` or `invalid_request_error`.
    pub kind: String,
    /// `card_declined`, `expired_card`, …
    pub code: String,
    /// `generic_decline`, `insufficient_funds`, …; only of cards.
    pub decline_code: Option<String>,
    /// For people.
    pub message: String,
}

/// What a means of payment does when it is tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Pays,
    /// The customer has to confirm at their bank.
    Asks,
    Declines(Decline),
}

/// What becomes of a refund that Stripe has taken on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Lasts,
    /// It succeeds, and fails later.
    Fails,
    /// It is pending, and succeeds later.
    Waits,
}

/// The tokens of the page where a person pays, each with what it does.
pub(crate) const OFFERED: [(&str, &str); 7] = [
    ("pm_card_visa", "pays"),
    ("pm_card_mastercard", "pays"),
    ("pm_card_threeDSecure2Required", "asks at the bank"),
    ("pm_card_chargeDeclined", "is declined"),
    ("pm_card_chargeDeclinedInsufficientFunds", "has not enough money"),
    ("pm_card_chargeDeclinedExpiredCard", "has expired"),
    ("pm_card_refundFail", "pays; its refunds fail later"),
];

pub(crate) fn outcome_of(payment_method: &str) -> Result<Outcome, Refusal> {
    // Some tokens are also known with the name of the card in them.
    match payment_method.strip_prefix("pm_card_visa_").or_else(|| payment_method.strip_prefix("pm_card_")) {
        Some("visa" | "mastercard" | "amex" | "refundFail" | "refundPending" | "pendingRefund") => Ok(Outcome::Pays),
        Some("threeDSecure2Required" | "threeDSecureRequired" | "authenticationRequired") => Ok(Outcome::Asks),
        Some("chargeDeclined") => Ok(declines("card_declined", "generic_decline", "Your card was declined.")),
        Some("chargeDeclinedInsufficientFunds") => {
            Ok(declines("card_declined", "insufficient_funds", "Your card has insufficient funds."))
        }
        Some("chargeDeclinedExpiredCard") => Ok(declines("expired_card", "expired_card", "Your card has expired.")),
        Some("chargeDeclinedIncorrectCvc") => {
            Ok(declines("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."))
        }
        Some("chargeDeclinedProcessingError") => {
            Ok(declines("processing_error", "processing_error", "An error occurred while processing your card."))
        }
        _ => Err(Refusal::missing("PaymentMethod", payment_method)),
    }
}

fn declines(code: &str, decline_code: &str, message: &str) -> Outcome {
    Outcome::Declines(Decline {
        kind: "card_error".to_owned(),
        code: code.to_owned(),
        decline_code: Some(decline_code.to_owned()),
        message: message.to_owned(),
    })
}

/// What an intent shows when the customer said no at their bank.
pub(crate) fn not_authenticated() -> Decline {
    Decline {
        kind: "invalid_request_error".to_owned(),
        code: "payment_intent_authentication_failure".to_owned(),
        decline_code: None,
        message: "The provided PaymentMethod has failed authentication.".to_owned(),
    }
}

pub(crate) fn fate_of_refunds(payment_method: Option<&str>) -> Fate {
    match payment_method {
        Some("pm_card_refundFail") => Fate::Fails,
        Some("pm_card_refundPending" | "pm_card_pendingRefund") => Fate::Waits,
        _ => Fate::Lasts,
    }
}
