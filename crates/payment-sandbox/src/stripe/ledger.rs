//! What Stripe knows: payments, refunds and disputes, and what may become of them. Nothing here is HTTP.

use crate::hooks::{Happened, Provider};
use crate::journal::Record;
use crate::news::{Ids, News};
use crate::now;
use crate::stripe::error::Refusal;
use crate::stripe::tokens::{Decline, Outcome, not_authenticated, outcome_of};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The version of the protocol.
pub(crate) const VERSION: &str = "2026-09-30.endive";

/// Where a payment stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for a means of payment, at first and after a decline.
    RequiresPaymentMethod,
    /// It has a means of payment that was not tried yet.
    RequiresConfirmation,
    /// The customer has to confirm at their bank.
    RequiresAction,
    /// The money is promised.
    RequiresCapture,
    /// The money was taken.
    Succeeded,
    /// It was called off.
    Canceled,
}

/// A payment, which Stripe calls an intent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Intent {
    /// `pi_…`
    pub id: String,
    /// In hundredths.
    pub amount: u64,
    /// In small letters.
    pub currency: String,
    /// `manual` if the money is taken in a step of its own, else `automatic` or `automatic_async`.
    pub capture_method: String,
    /// Where it stands.
    pub status: Status,
    /// What the shop wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// Promised and neither taken nor given back.
    pub capturable: u64,
    /// Taken.
    pub received: u64,
    /// `ch_…` of the attempt that paid.
    pub charge: Option<String>,
    /// The means of payment that was named last.
    pub payment_method: Option<String>,
    /// Where the customer goes back to from the bank's page.
    pub return_url: Option<String>,
    /// Why the last attempt failed.
    pub decline: Option<Decline>,
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
    /// The attempt that paid.
    pub charge: Option<String>,
    /// In hundredths.
    pub amount: u64,
    /// In small letters.
    pub currency: String,
    /// `pending`, `succeeded`, or `failed`, also after it succeeded.
    pub status: String,
    /// As the shop says it.
    pub reason: Option<String>,
    /// What the shop wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// In seconds since 1970.
    pub created: u64,
}

/// A customer who asks the bank for the money back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dispute {
    /// `dp_…`
    pub id: String,
    /// The payment.
    pub payment_intent: String,
    /// The attempt that paid.
    pub charge: Option<String>,
    /// In hundredths.
    pub amount: u64,
    /// In small letters.
    pub currency: String,
    /// In seconds since 1970.
    pub created: u64,
}

/// What a payment is opened with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct NewIntent {
    pub amount: u64,
    pub currency: String,
    pub capture_method: String,
    pub payment_method: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

/// Everything that Stripe keeps.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub base: String,
    pub ids: Ids,
    pub intents: BTreeMap<String, Intent>,
    pub refunds: BTreeMap<String, Refund>,
    /// The ids of the refunds of a payment, oldest first.
    pub by_intent: BTreeMap<String, Vec<String>>,
    pub disputes: BTreeMap<String, Dispute>,
    pub news: News,
}

impl Ledger {
    /// An empty one. `base` is where the bank's page is.
    pub(crate) fn new(base: String) -> Self {
        let (intents, refunds, by_intent, disputes) = Default::default();
        Self { base, ids: Ids::default(), intents, refunds, by_intent, disputes, news: News::default() }
    }

    /// What has changed since this was last asked.
    pub(crate) fn news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    pub(super) fn tell(&mut self, kind: &str, object: &Value) {
        let id = self.ids.next("evt");
        let body = json!({
            "id": id, "object": "event", "api_version": VERSION, "type": kind, "created": now(), "livemode": false,
            "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "data": {"object": object},
        });
        let (kind, body) = (kind.to_owned(), body.to_string());
        self.news.happened.push(Happened { provider: Provider::Stripe, id, kind, body });
    }

    fn save(&mut self, intent: Intent, kind: &str) -> Intent {
        self.tell(kind, &intent.shown(&self.base));
        self.news.records.push(Record::Intent(intent.clone()));
        self.intents.insert(intent.id.clone(), intent.clone());
        intent
    }

    /// Opens a payment.
    pub(crate) fn create(&mut self, new: NewIntent) -> Intent {
        let NewIntent { amount, currency, capture_method, payment_method, metadata } = new;
        let waits = payment_method.is_none();
        let intent = Intent {
            id: self.ids.next("pi"),
            amount,
            currency,
            capture_method,
            status: if waits { Status::RequiresPaymentMethod } else { Status::RequiresConfirmation },
            metadata,
            capturable: 0,
            received: 0,
            charge: None,
            payment_method,
            return_url: None,
            decline: None,
            cancellation_reason: None,
            created: now(),
        };
        self.save(intent, "payment_intent.created")
    }

    /// A payment as it is now.
    pub(crate) fn intent(&self, id: &str) -> Result<Intent, Refusal> {
        self.intents.get(id).cloned().ok_or_else(|| Refusal::missing("payment_intent", id))
    }

    /// Tries a means of payment, or the one that was named before.
    pub(crate) fn confirm(
        &mut self,
        id: &str,
        payment_method: Option<&str>,
        return_url: Option<&str>,
    ) -> Result<Intent, Refusal> {
        let mut intent = self.intent(id)?;
        if !intent.waits_for_customer() {
            return Err(self.unexpected(&intent, "confirm"));
        }
        let Some(payment_method) = payment_method.map(str::to_owned).or_else(|| intent.payment_method.clone()) else {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method.";
            return Err(Refusal {
                intent: Some(intent.shown(&self.base)),
                ..Refusal::invalid("payment_intent_unexpected_state", message)
            });
        };
        let outcome = outcome_of(&payment_method)?;
        intent.payment_method = Some(payment_method);
        intent.return_url = return_url.map(str::to_owned).or(intent.return_url);
        match outcome {
            Outcome::Pays => Ok(self.pay(intent)),
            Outcome::Asks => {
                (intent.status, intent.decline) = (Status::RequiresAction, None);
                Ok(self.save(intent, "payment_intent.requires_action"))
            }
            Outcome::Declines(decline) => {
                let Decline { kind, code, decline_code, message } = decline.clone();
                let shown = Some(self.decline(intent, decline).shown(&self.base));
                Err(Refusal { status: 402, kind, decline_code, intent: shown, ..Refusal::invalid(&code, message) })
            }
        }
    }

    /// The customer says yes or no on the page of their bank.
    pub(crate) fn act(&mut self, id: &str, succeeds: bool) -> Result<Intent, Refusal> {
        let intent = self.intent(id)?;
        if intent.status != Status::RequiresAction {
            return Err(self.unexpected(&intent, "confirm"));
        }
        Ok(if succeeds { self.pay(intent) } else { self.decline(intent, not_authenticated()) })
    }

    fn pay(&mut self, mut intent: Intent) -> Intent {
        intent.charge = Some(self.ids.next("ch"));
        intent.decline = None;
        if intent.capture_method == "manual" {
            (intent.capturable, intent.status) = (intent.amount, Status::RequiresCapture);
            return self.save(intent, "payment_intent.amount_capturable_updated");
        }
        (intent.received, intent.status) = (intent.amount, Status::Succeeded);
        self.save(intent, "payment_intent.succeeded")
    }

    fn decline(&mut self, mut intent: Intent, decline: Decline) -> Intent {
        (intent.status, intent.payment_method) = (Status::RequiresPaymentMethod, None);
        intent.decline = Some(decline);
        self.save(intent, "payment_intent.payment_failed")
    }

    /// Takes the money, all that is promised or less; the rest goes back to the customer.
    pub(crate) fn capture(&mut self, id: &str, amount: Option<u64>) -> Result<Intent, Refusal> {
        let mut intent = self.intent(id)?;
        if intent.status != Status::RequiresCapture {
            return Err(self.unexpected(&intent, "capture"));
        }
        let amount = amount.unwrap_or(intent.capturable);
        if amount == 0 || amount > intent.capturable {
            let message = format!("The amount_to_capture must be from 1 to {}.", intent.capturable);
            return Err(Refusal::invalid("amount_too_large", message));
        }
        (intent.received, intent.capturable, intent.status) = (amount, 0, Status::Succeeded);
        Ok(self.save(intent, "payment_intent.succeeded"))
    }

    /// Calls it off; what is promised goes back to the customer.
    pub(crate) fn cancel(&mut self, id: &str, reason: Option<&str>) -> Result<Intent, Refusal> {
        let mut intent = self.intent(id)?;
        if matches!(intent.status, Status::Succeeded | Status::Canceled) {
            return Err(self.unexpected(&intent, "cancel"));
        }
        (intent.capturable, intent.status) = (0, Status::Canceled);
        intent.cancellation_reason = reason.map(str::to_owned);
        Ok(self.save(intent, "payment_intent.canceled"))
    }

    fn unexpected(&self, intent: &Intent, verb: &str) -> Refusal {
        let status = json!(intent.status);
        let status = status.as_str().unwrap_or_default();
        let message = format!("You cannot {verb} this PaymentIntent because it has a status of {status}.");
        let shown = Some(intent.shown(&self.base));
        Refusal { intent: shown, ..Refusal::invalid("payment_intent_unexpected_state", message) }
    }
}

impl Intent {
    pub(crate) fn waits_for_customer(&self) -> bool {
        use Status::{RequiresAction, RequiresConfirmation, RequiresPaymentMethod};
        matches!(self.status, RequiresPaymentMethod | RequiresConfirmation | RequiresAction)
    }

    /// What lets a browser confirm this payment.
    pub(crate) fn client_secret(&self) -> String {
        format!("{}_secret_sandbox", self.id)
    }

    /// As the API shows it.
    pub(crate) fn shown(&self, base: &str) -> Value {
        let next_action = (self.status == Status::RequiresAction).then(|| {
            let url = format!("{base}/bank/{}", self.id);
            json!({"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": self.return_url}})
        });
        let error = self.decline.as_ref().map(|Decline { kind, code, decline_code, message }| {
            json!({"type": kind, "code": code, "decline_code": decline_code, "message": message})
        });
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "currency": self.currency,
            "amount_capturable": self.capturable, "amount_received": self.received,
            "capture_method": self.capture_method, "client_secret": self.client_secret(), "status": self.status,
            "payment_method": self.payment_method, "payment_method_types": ["card"],
            "latest_charge": self.charge, "last_payment_error": error, "metadata": self.metadata,
            "next_action": next_action, "cancellation_reason": self.cancellation_reason,
            "created": self.created, "livemode": false,
        })
    }
}
