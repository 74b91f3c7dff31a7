//! What a client sends to change an order, and the checks of every field.

use super::{Explanation, Order, parse_note};
use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::extract::present;
use service_kit::validation::FieldErrors;
use shared_types::OrderStatus;
use utoipa::ToSchema;

/// The status an order is to get.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeStatus {
    /// PENDING, CONFIRMED, SHIPPED, DELIVERED or CANCELLED.
    #[schema(required, nullable = false, value_type = OrderStatus, example = "SHIPPED")]
    pub status: Option<String>,
    /// Why. The customer is told of it.
    #[schema(max_length = 500, format = "lines", example = "Handed over to the carrier")]
    pub reason: Option<String>,
    /// What only operators see, in the timeline.
    #[schema(max_length = 500, format = "lines", example = "Picked by the night shift")]
    pub internal_note: Option<String>,
}

impl ChangeStatus {
    /// Checks every field and names all that are at fault.
    pub fn parse(self) -> Result<(OrderStatus, Explanation), FieldErrors> {
        let mut errors = FieldErrors::default();
        let status = match self.status.as_deref().map(str::parse) {
            None => {
                errors.add("status", "is required");
                OrderStatus::Pending
            }
            Some(Err(error)) => {
                errors.add("status", error);
                OrderStatus::Pending
            }
            Some(Ok(status)) => status,
        };
        let explanation = parse_explanation(&mut errors, self.reason, self.internal_note);
        errors.into_result((status, explanation))
    }
}

impl Body for ChangeStatus {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

fn parse_explanation(errors: &mut FieldErrors, reason: Option<String>, internal_note: Option<String>) -> Explanation {
    let mut text = |field, text: Option<String>| errors.optional_lines(field, text, 500);
    Explanation { reason: text("reason", reason), internal_note: text("internalNote", internal_note) }
}

/// Why an order is called off.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelOrder {
    /// Why. The customer is told of it.
    #[schema(max_length = 500, format = "lines", example = "Ordered by mistake")]
    pub reason: Option<String>,
    /// What only operators see, in the timeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500, format = "lines", example = "The customer called twice")]
    pub internal_note: Option<String>,
}

impl CancelOrder {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<Explanation, FieldErrors> {
        let mut errors = FieldErrors::default();
        let explanation = parse_explanation(&mut errors, self.reason.clone(), self.internal_note.clone());
        errors.into_result(explanation)
    }
}

impl Body for CancelOrder {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

/// The code by which a customer takes an order into their account.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct ClaimOrder {
    /// The code in the e-mails about the order. Case, blanks and hyphens do not matter.
    #[schema(required, nullable = false, max_length = 32, example = "7K2M-Q9XB")]
    pub code: Option<String>,
}

impl ClaimOrder {
    /// The code, or the field at fault.
    pub fn parse(self) -> Result<String, FieldErrors> {
        let mut errors = FieldErrors::default();
        let code = errors.required_text("code", self.code, 32);
        errors.into_result(code)
    }
}

impl Body for ClaimOrder {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

/// What of an order is to change (JSON Merge Patch, RFC 7396): what is left out stays, null removes it.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchOrder {
    /// What the shop should know; null removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 500, format = "lines", example = "Please leave it with the neighbours")]
    pub note: Option<Option<String>>,
}

impl PatchOrder {
    /// What is to change, checked; or the fields at fault.
    pub fn parse(self) -> Result<OrderPatch, FieldErrors> {
        let mut errors = FieldErrors::default();
        let note = self.note.map(|note| parse_note(&mut errors, note));
        errors.into_result(OrderPatch { note })
    }
}

impl Body for PatchOrder {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

/// A patch whose every field has been checked. What is left out stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OrderPatch {
    note: Option<Option<String>>,
}

/// What of an order can be patched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Patchable {
    pub note: Option<String>,
}

impl OrderPatch {
    /// The first field that the patch names, in the words of an error.
    pub fn first_field(&self) -> Option<&'static str> {
        let Self { note } = self;
        [("note", note.is_some())].into_iter().find_map(|(field, is_named)| is_named.then_some(field))
    }

    /// The fields of `order` with the patch applied, where that changes one.
    pub fn changed(self, order: &Order) -> Option<Patchable> {
        let before = Patchable { note: order.note.clone() };
        let after = Patchable { note: self.note.unwrap_or_else(|| before.note.clone()) };
        (after != before).then_some(after)
    }
}
