//! Refusals in Razorpay's words: <https://razorpay.com/docs/api/errors>.

use serde_json::{Value, json};

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// 400, 401, 404, …
    pub status: u16,
    /// `BAD_REQUEST_ERROR`, `GATEWAY_ERROR` or `SERVER_ERROR`.
    pub code: String,
    /// For people.
    pub description: String,
    /// The field that is wrong.
    pub field: Option<String>,
    /// Why a payment failed.
    pub reason: Option<String>,
    /// The payment that failed.
    pub payment: Option<String>,
    /// Whether no shop should ever ask so.
    pub breach: bool,
}

impl Refusal {
    pub(crate) fn bad(description: impl Into<String>) -> Self {
        let (code, description) = ("BAD_REQUEST_ERROR".to_owned(), description.into());
        Self { status: 400, code, description, field: None, reason: None, payment: None, breach: false }
    }

    pub(crate) fn field(field: &str, description: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), breach: true, ..Self::bad(description) }
    }

    pub(crate) fn too_much(description: &str) -> Self {
        Self { breach: false, ..Self::field("amount", description) }
    }

    pub(crate) fn missing() -> Self {
        Self::bad("The id provided does not exist")
    }

    /// As the API shows it.
    pub(crate) fn shown(&self) -> Value {
        let metadata = self.payment.as_ref().map_or_else(|| json!({}), |id| json!({"payment_id": id}));
        let reason =
            self.reason.as_deref().unwrap_or(if self.field.is_some() { "input_validation_failed" } else { "NA" });
        let (source, step) = match (&self.field, &self.payment) {
            (Some(_), _) => ("business", "payment_initiation"),
            (None, Some(_)) => ("customer", "payment_authentication"),
            (None, None) => ("NA", "NA"),
        };
        let mut error = json!({
            "code": self.code, "description": self.description, "source": source, "step": step, "reason": reason,
            "metadata": metadata,
        });
        if let Some(field) = &self.field {
            error["field"] = json!(field);
        }
        json!({"error": error})
    }
}
