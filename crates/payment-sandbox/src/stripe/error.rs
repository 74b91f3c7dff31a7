//! Refusals in Stripe's words: <https://docs.stripe.com/api/errors>.

use serde_json::{Value, json};

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// 400, 401, 402 or 404.
    pub status: u16,
    /// `card_error`, `invalid_request_error` or `idempotency_error`.
    pub kind: String,
    /// `card_declined`, `resource_missing`, …
    pub code: String,
    /// Why a card was declined.
    pub decline_code: Option<String>,
    /// For people.
    pub message: String,
    /// The parameter that is wrong.
    pub param: Option<String>,
    /// The payment it is about, as it is now.
    pub intent: Option<Value>,
    /// Whether the idempotency key keeps it: what is wrong with the request itself is said before the key is looked at.
    pub kept: bool,
}

impl Refusal {
    pub(crate) fn invalid(code: &str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error".to_owned(),
            code: code.to_owned(),
            decline_code: None,
            message: message.into(),
            param: None,
            intent: None,
            kept: true,
        }
    }

    /// A parameter that cannot be taken.
    pub(crate) fn parameter(code: &str, param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), kept: false, ..Self::invalid(code, message) }
    }

    pub(crate) fn missing(what: &str, id: &str) -> Self {
        Self { status: 404, ..Self::invalid("resource_missing", format!("No such {}: '{id}'", what.to_lowercase())) }
    }

    /// As the API shows it.
    pub(crate) fn shown(&self) -> Value {
        let mut error = json!({"type": self.kind, "code": self.code, "message": self.message});
        let optional = [
            ("decline_code", self.decline_code.clone().map(Value::from)),
            ("param", self.param.clone().map(Value::from)),
            ("payment_intent", self.intent.clone()),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                error[name] = value;
            }
        }
        json!({"error": error})
    }
}
