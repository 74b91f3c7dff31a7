//! What a client sends to change an order, and the checks of every field.

use serde::{Deserialize, Serialize};
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

/// Why an order is called off.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct CancelOrder {
    /// Shown in the timeline.
    #[schema(max_length = 500, example = "Ordered by mistake")]
    pub reason: Option<String>,
}

impl CancelOrder {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<Option<String>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let reason = errors.optional_text("reason", self.reason.clone(), 500);
        errors.into_result(reason)
    }
}
