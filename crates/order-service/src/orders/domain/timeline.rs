//! The statuses an order came to, and why.

use serde::Serialize;
use shared_types::OrderStatus;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A status an order came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// The status.
    pub status: OrderStatus,
    /// When.
    #[serde(with = "shared_types::times")]
    pub at: OffsetDateTime,
    /// By whom: `api`, the service that decided it, or `customer` where a customer took the order into their account, which
    /// leaves the status as it is.
    #[schema(example = "api")]
    pub actor: String,
    /// Why, where somebody said so. The customer is told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// What only operators see.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub internal_note: Option<String>,
}

/// Why an order came to a status.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Explanation {
    /// For the customer.
    pub reason: Option<String>,
    /// For operators: the timeline shows it, no message does.
    pub internal_note: Option<String>,
}

impl Explanation {
    /// A sentence for the customer, and what operators want to know.
    pub fn new(reason: &str, internal_note: impl Into<String>) -> Self {
        Self { reason: Some(reason.to_owned()), internal_note: Some(internal_note.into()) }
    }
}
