//! What the provider knows: payments and refunds, and what may become of them. Nothing here is HTTP.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where a payment stands, in Stripe's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for a means of payment, at first and after a decline.
    RequiresPaymentMethod,
    /// The customer has to confirm at their bank.
    RequiresAction,
    /// The money is promised.
    RequiresCapture,
    /// The money was taken.
    Succeeded,
    /// It was called off.
    Canceled,
}

/// A payment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Intent {
    /// `pi_…`
    pub id: String,
    /// What it is for, in hundredths.
    pub amount: u64,
    /// In small letters.
    pub currency: String,
    /// Whether the money is taken in a step of its own.
    pub manual: bool,
    /// Where it stands.
    pub status: Status,
    /// What the shop wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// Promised and neither taken nor given back.
    pub capturable: u64,
    /// Taken.
    pub received: u64,
    /// `ch_…`, once money moved.
    pub charge: Option<String>,
    /// Why the last attempt failed.
    pub decline: Option<String>,
    /// Why it was called off.
    pub cancellation_reason: Option<String>,
    /// In seconds since 1970.
    pub created: u64,
}

/// A refund.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// The payment.
    pub payment_intent: String,
    /// In hundredths.
    pub amount: u64,
    /// In small letters.
    pub currency: String,
    /// `succeeded`, or `failed` where it did not last.
    pub status: String,
    /// What the shop wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// In seconds since 1970.
    pub created: u64,
}

/// Everything that the provider keeps.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// By id.
    pub intents: BTreeMap<String, Intent>,
    /// By id.
    pub refunds: BTreeMap<String, Refund>,
    /// For the next id.
    numbers: u64,
}

/// A refusal, as Stripe puts it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// 400, 402 or 404.
    pub status: u16,
    /// `card_error` or `invalid_request_error`.
    pub kind: &'static str,
    /// `card_declined`, `resource_missing`, …
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// The payment that was declined.
    pub intent: Option<String>,
}

impl Refusal {
    fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, kind: "invalid_request_error", code, message: message.into(), intent: None }
    }

    fn missing(what: &str, id: &str) -> Self {
        let message = format!("No such {what}: '{id}'");
        Self { status: 404, kind: "invalid_request_error", code: "resource_missing", message, intent: None }
    }
}

/// What a means of payment does when it is tried.
enum Outcome {
    Pays,
    Asks,
    Declines(&'static str),
}

fn outcome_of(payment_method: &str) -> Result<Outcome, Refusal> {
    match payment_method {
        "pm_card_visa" | "pm_card_mastercard" => Ok(Outcome::Pays),
        "pm_card_threeDSecure2Required" | "pm_card_authenticationRequired" => Ok(Outcome::Asks),
        "pm_card_chargeDeclined" | "pm_card_visa_chargeDeclined" => Ok(Outcome::Declines("card_declined")),
        "pm_card_chargeDeclinedInsufficientFunds" => Ok(Outcome::Declines("insufficient_funds")),
        "pm_card_chargeDeclinedExpiredCard" => Ok(Outcome::Declines("expired_card")),
        other => Err(Refusal::missing("PaymentMethod", other)),
    }
}

/// What a payment is to be opened with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewIntent {
    /// In hundredths.
    pub amount: u64,
    /// In small letters.
    pub currency: String,
    /// Whether the money is taken in a step of its own.
    pub manual: bool,
    /// What the shop writes on it.
    pub metadata: BTreeMap<String, String>,
    /// In seconds since 1970.
    pub now: u64,
}

impl Ledger {
    fn id(&mut self, prefix: &str) -> String {
        self.numbers += 1;
        format!("{prefix}_sandbox{:010}", self.numbers)
    }

    /// Opens a payment.
    pub fn create(&mut self, new: NewIntent) -> Intent {
        let id = self.id("pi");
        let NewIntent { amount, currency, manual, metadata, now } = new;
        let intent = Intent {
            id: id.clone(),
            amount,
            currency,
            manual,
            status: Status::RequiresPaymentMethod,
            metadata,
            capturable: 0,
            received: 0,
            charge: None,
            decline: None,
            cancellation_reason: None,
            created: now,
        };
        self.intents.insert(id, intent.clone());
        intent
    }

    /// The payment.
    pub fn intent(&self, id: &str) -> Result<&Intent, Refusal> {
        self.intents.get(id).ok_or_else(|| Refusal::missing("payment_intent", id))
    }

    fn intent_mut(&mut self, id: &str) -> Result<&mut Intent, Refusal> {
        self.intents.get_mut(id).ok_or_else(|| Refusal::missing("payment_intent", id))
    }

    /// Tries a means of payment.
    pub fn confirm(&mut self, id: &str, payment_method: &str) -> Result<Intent, Refusal> {
        let charge = self.id("ch");
        let intent = self.intent_mut(id)?;
        if !matches!(intent.status, Status::RequiresPaymentMethod | Status::RequiresAction) {
            return Err(unexpected(intent, "confirm"));
        }
        match outcome_of(payment_method)? {
            Outcome::Pays => Ok(pay(intent, charge)),
            Outcome::Asks => {
                intent.status = Status::RequiresAction;
                intent.decline = None;
                Ok(intent.clone())
            }
            Outcome::Declines(code) => Err(decline(intent, code)),
        }
    }

    /// What the customer does on the page of their bank.
    pub fn act(&mut self, id: &str, succeeds: bool) -> Result<Intent, Refusal> {
        let charge = self.id("ch");
        let intent = self.intent_mut(id)?;
        if intent.status != Status::RequiresAction {
            return Err(unexpected(intent, "confirm"));
        }
        if succeeds {
            return Ok(pay(intent, charge));
        }
        let _declined = decline(intent, "authentication_failed");
        Ok(intent.clone())
    }

    /// Takes the money, all that is promised or less; the rest goes back.
    pub fn capture(&mut self, id: &str, amount: Option<u64>) -> Result<Intent, Refusal> {
        let intent = self.intent_mut(id)?;
        if intent.status != Status::RequiresCapture {
            return Err(unexpected(intent, "capture"));
        }
        let amount = amount.unwrap_or(intent.capturable);
        if amount == 0 || amount > intent.capturable {
            return Err(Refusal::invalid("amount_too_large", "amount_to_capture is more than can be captured"));
        }
        (intent.received, intent.capturable, intent.status) = (amount, 0, Status::Succeeded);
        Ok(intent.clone())
    }

    /// Calls it off; what is promised goes back.
    pub fn cancel(&mut self, id: &str, reason: Option<&str>) -> Result<Intent, Refusal> {
        let intent = self.intent_mut(id)?;
        if matches!(intent.status, Status::Succeeded | Status::Canceled) {
            return Err(unexpected(intent, "cancel"));
        }
        (intent.capturable, intent.status) = (0, Status::Canceled);
        intent.cancellation_reason = reason.map(str::to_owned);
        Ok(intent.clone())
    }

    /// What was given back of a payment, or is on its way.
    pub fn refunded(&self, id: &str) -> u64 {
        let of_it = self.refunds.values().filter(|refund| refund.payment_intent == id && refund.status != "failed");
        of_it.map(|refund| refund.amount).sum()
    }

    /// Gives money back, all that is left or a part.
    pub fn refund(
        &mut self,
        id: &str,
        amount: Option<u64>,
        metadata: BTreeMap<String, String>,
        now: u64,
    ) -> Result<Refund, Refusal> {
        let intent = self.intent(id)?.clone();
        let left = intent.received - self.refunded(id);
        if intent.charge.is_none() || left == 0 {
            return Err(Refusal::invalid("charge_already_refunded", "There is nothing to give back"));
        }
        let amount = amount.unwrap_or(left);
        if amount == 0 || amount > left {
            let message = format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
            return Err(Refusal::invalid("amount_too_large", message));
        }
        let refund = Refund {
            id: self.id("re"),
            payment_intent: id.to_owned(),
            amount,
            currency: intent.currency,
            status: "succeeded".to_owned(),
            metadata,
            created: now,
        };
        self.refunds.insert(refund.id.clone(), refund.clone());
        Ok(refund)
    }

    /// Lets a refund fail after it succeeded, as a bank may.
    pub fn fail_refund(&mut self, id: &str) -> Result<Refund, Refusal> {
        let refund = self.refunds.get_mut(id).ok_or_else(|| Refusal::missing("refund", id))?;
        "failed".clone_into(&mut refund.status);
        Ok(refund.clone())
    }
}

fn pay(intent: &mut Intent, charge: String) -> Intent {
    intent.charge = Some(charge);
    intent.decline = None;
    if intent.manual {
        (intent.capturable, intent.status) = (intent.amount, Status::RequiresCapture);
    } else {
        (intent.received, intent.status) = (intent.amount, Status::Succeeded);
    }
    intent.clone()
}

fn decline(intent: &mut Intent, code: &'static str) -> Refusal {
    intent.status = Status::RequiresPaymentMethod;
    intent.decline = Some(code.to_owned());
    let message = "Your card was declined.".to_owned();
    Refusal { status: 402, kind: "card_error", code, message, intent: Some(intent.id.clone()) }
}

fn unexpected(intent: &Intent, verb: &str) -> Refusal {
    let status = json!(intent.status);
    let message = format!("You cannot {verb} this PaymentIntent because it has a status of {status}.");
    Refusal { intent: Some(intent.id.clone()), ..Refusal::invalid("payment_intent_unexpected_state", message) }
}

impl Intent {
    /// As the API shows it. `base` is where its bank's page is.
    pub fn shown(&self, base: &str) -> Value {
        let next_action = (self.status == Status::RequiresAction).then(|| {
            let url = format!("{base}/bank/{}", self.id);
            json!({"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": null}})
        });
        let error = self.decline.as_ref().map(|code| {
            json!({"type": "card_error", "code": code, "decline_code": code, "message": "Your card was declined."})
        });
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "currency": self.currency,
            "amount_capturable": self.capturable, "amount_received": self.received,
            "capture_method": if self.manual { "manual" } else { "automatic" },
            "client_secret": format!("{}_secret_sandbox", self.id), "status": self.status,
            "latest_charge": self.charge, "last_payment_error": error, "metadata": self.metadata,
            "next_action": next_action, "cancellation_reason": self.cancellation_reason,
            "created": self.created, "livemode": false,
        })
    }
}

impl Refund {
    /// As the API shows it.
    pub fn shown(&self) -> Value {
        let failure = (self.status == "failed").then_some("expired_or_canceled_card");
        json!({
            "id": self.id, "object": "refund", "amount": self.amount, "currency": self.currency,
            "payment_intent": self.payment_intent, "status": self.status, "metadata": self.metadata,
            "failure_reason": failure, "created": self.created,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Ledger, NewIntent, Status};
    use std::collections::BTreeMap;

    fn opened(ledger: &mut Ledger, manual: bool) -> String {
        ledger.create(NewIntent { amount: 1000, currency: "inr".to_owned(), manual, ..NewIntent::default() }).id
    }

    #[test]
    fn a_decline_is_not_the_end() {
        let mut ledger = Ledger::default();
        let id = opened(&mut ledger, false);
        let declined = ledger.confirm(&id, "pm_card_chargeDeclined").unwrap_err();
        assert_eq!((declined.status, declined.code), (402, "card_declined"));
        assert_eq!(ledger.intent(&id).unwrap().status, Status::RequiresPaymentMethod);
        let paid = ledger.confirm(&id, "pm_card_visa").unwrap();
        assert_eq!((paid.status, paid.received), (Status::Succeeded, 1000));
        assert_eq!(ledger.confirm(&id, "pm_card_visa").unwrap_err().code, "payment_intent_unexpected_state");
    }

    #[test]
    fn a_bank_may_ask_the_customer() {
        let mut ledger = Ledger::default();
        let id = opened(&mut ledger, true);
        assert_eq!(ledger.confirm(&id, "pm_card_threeDSecure2Required").unwrap().status, Status::RequiresAction);
        assert_eq!(ledger.act(&id, false).unwrap().status, Status::RequiresPaymentMethod);
        ledger.confirm(&id, "pm_card_threeDSecure2Required").unwrap();
        assert_eq!(ledger.act(&id, true).unwrap().capturable, 1000);
        let taken = ledger.capture(&id, Some(600)).unwrap();
        assert_eq!((taken.received, taken.capturable), (600, 0));
    }

    #[test]
    fn no_more_goes_back_than_was_taken_and_a_failed_refund_frees_its_amount() {
        let mut ledger = Ledger::default();
        let id = opened(&mut ledger, false);
        assert!(ledger.refund(&id, None, BTreeMap::new(), 0).is_err());
        ledger.confirm(&id, "pm_card_visa").unwrap();
        let part = ledger.refund(&id, Some(400), BTreeMap::new(), 0).unwrap();
        assert_eq!(ledger.refund(&id, Some(601), BTreeMap::new(), 0).unwrap_err().code, "amount_too_large");
        ledger.fail_refund(&part.id).unwrap();
        assert_eq!(ledger.refund(&id, None, BTreeMap::new(), 0).unwrap().amount, 1000);
    }
}
