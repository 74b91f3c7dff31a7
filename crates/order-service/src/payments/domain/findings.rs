//! What does not fit between a provider's books and ours, and what operators say about it.

use super::requests::no_card_number;
use super::{FindingKind, Provider};
use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::validation::FieldErrors;
use shared_types::{Money, PaymentId};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Something that does not fit, until somebody says what was done about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its number.
    #[schema(example = 1)]
    pub id: i64,
    /// What does not fit.
    pub kind: FindingKind,
    /// Whose books.
    pub provider: Provider,
    /// The provider's name of what it is about: a payment or a refund.
    #[schema(example = "pi_1")]
    pub object_id: String,
    /// The payment here, where one is known.
    #[schema(required)]
    pub payment_id: Option<PaymentId>,
    /// The amount in our books.
    #[schema(required)]
    pub ours: Option<Money>,
    /// The amount in the provider's.
    #[schema(required)]
    pub theirs: Option<Money>,
    /// What does not fit, in a sentence.
    #[schema(example = "a refund that was made at the provider")]
    pub detail: String,
    /// When it was found.
    #[serde(with = "shared_types::times")]
    pub found_at: OffsetDateTime,
    /// When somebody said what was done about it.
    #[serde(with = "shared_types::times::option")]
    #[schema(required)]
    pub resolved_at: Option<OffsetDateTime>,
    /// Who said so.
    #[schema(required, example = json!(null))]
    pub resolved_by: Option<String>,
    /// What was done about it.
    #[schema(required, example = json!(null))]
    pub note: Option<String>,
}

/// What a provider says of a customer who asks the bank for the money back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dispute {
    /// The provider's name of it.
    pub id: String,
    /// How much the customer wants.
    pub amount: Money,
}

/// What was done about something that does not fit.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ResolveFinding {
    /// What was done about it.
    #[schema(required, nullable = false, max_length = 500, format = "lines", example = "Agreed with the customer")]
    pub note: Option<String>,
}

impl ResolveFinding {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<String, FieldErrors> {
        let mut errors = FieldErrors::default();
        let note = errors.required_lines("note", self.note.clone(), 500);
        no_card_number(&mut errors, "note", Some(&note));
        errors.into_result(note)
    }
}

impl Body for ResolveFinding {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}
