//! What a client sends to change an order, and the checks of every field.

use super::parse_note;
use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::extract::present;
use service_kit::validation::FieldErrors;
use shared_types::OrderStatus;
use utoipa::ToSchema;

/// The status an order is to get.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ChangeStatus {
    /// PENDING, CONFIRMED, SHIPPED, DELIVERED or CANCELLED.
    #[schema(required, nullable = false, value_type = OrderStatus, example = "SHIPPED")]
    pub status: Option<String>,
}

impl ChangeStatus {
    /// Checks every field and names all that are at fault.
    pub fn parse(self) -> Result<OrderStatus, FieldErrors> {
        let status = self.status.ok_or_else(|| FieldErrors::one("status", "is required"))?;
        status.parse().map_err(|error| FieldErrors::one("status", error))
    }
}

impl Body for ChangeStatus {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

/// Why an order is called off.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct CancelOrder {
    /// Shown in the timeline.
    #[schema(max_length = 500, format = "lines", example = "Ordered by mistake")]
    pub reason: Option<String>,
}

impl CancelOrder {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<Option<String>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let reason = errors.optional_lines("reason", self.reason.clone(), 500);
        errors.into_result(reason)
    }
}

impl Body for CancelOrder {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

/// What of an order is to change (JSON Merge Patch, RFC 7396): what is left out stays, null removes it.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchOrder {
    /// What the shop should know; null removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 500, format = "lines", example = "Please leave it with the neighbours")]
    pub note: Option<Option<String>>,
}

impl PatchOrder {
    /// The new note, if it is to change; or the field at fault.
    pub fn parse(self) -> Result<Option<Option<String>>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let note = self.note.map(|note| parse_note(&mut errors, note));
        errors.into_result(note)
    }
}

impl Body for PatchOrder {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}
