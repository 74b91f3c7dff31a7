//! Why something stands still: the answer that orders and messages share, and how a rule puts it together.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Why something stands where it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Since when it has its status.
    #[serde(with = "shared_types::times")]
    pub since: OffsetDateTime,
    /// Why, in a sentence.
    #[schema(example = "Its stock is committed. It waits to be shipped.")]
    pub because: String,
    /// What or whom it waits for; null at its end.
    #[schema(required, example = "the shop to ship it")]
    pub waiting_for: Option<String>,
    /// What happens next; null at its end.
    #[schema(required)]
    pub next: Option<Step>,
    /// What happens after that, or else.
    #[schema(required)]
    pub then: Option<Step>,
    /// What is known of it, oldest first. Customers see the statuses of an order.
    pub chain: Vec<Link>,
    /// What can be done.
    #[schema(example = json!(["POST /api/orders/1/cancel"]))]
    pub actions: Vec<String>,
}

/// What happens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Step {
    /// What.
    #[schema(example = "somebody changes its status to SHIPPED")]
    pub what: String,
    /// When, where that is known.
    #[serde(with = "shared_types::times::option")]
    #[schema(required)]
    pub at: Option<OffsetDateTime>,
}

/// Something that is known of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// When it happened.
    #[serde(with = "shared_types::times")]
    pub at: OffsetDateTime,
    /// What.
    #[schema(example = "CONFIRMED by inventory-service")]
    pub what: String,
    /// Where it is kept.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    #[schema(example = "order-service: timeline")]
    pub place: Option<String>,
    /// The trace to which it belongs, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    pub trace_id: Option<String>,
    /// The event, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Uuid>,
}

/// What a rule says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    because: String,
    waiting_for: Option<String>,
    next: Option<Step>,
    then: Option<Step>,
    actions: Vec<String>,
}

/// The trace id of a trace context.
pub fn trace_id(traceparent: Option<&str>) -> Option<String> {
    traceparent?.get(3..35).map(str::to_owned)
}

impl Link {
    /// Something that is kept at this place.
    pub fn new(at: OffsetDateTime, what: String, place: &str) -> Self {
        Self { at, what, place: Some(place.to_owned()), trace_id: None, event_id: None }
    }
}

impl Reason {
    /// It stands still for this reason.
    pub fn new(because: impl Into<String>) -> Self {
        Self { because: because.into(), waiting_for: None, next: None, then: None, actions: Vec::new() }
    }

    /// What or whom it waits for.
    pub fn waits_for(self, what: impl Into<String>) -> Self {
        Self { waiting_for: Some(what.into()), ..self }
    }

    /// What happens next.
    pub fn next(self, what: impl Into<String>, at: Option<OffsetDateTime>) -> Self {
        Self { next: Some(Step { what: what.into(), at }), ..self }
    }

    /// What happens after that, or else.
    pub fn then(self, what: impl Into<String>, at: Option<OffsetDateTime>) -> Self {
        Self { then: Some(Step { what: what.into(), at }), ..self }
    }

    /// What can be done.
    pub fn can(mut self, actions: impl IntoIterator<Item = String>) -> Self {
        self.actions.extend(actions);
        self
    }

    /// The answer with what is known, in any order.
    pub fn explained(self, since: OffsetDateTime, mut chain: Vec<Link>) -> Explained {
        chain.sort_by_key(|link| link.at);
        let Self { because, waiting_for, next, then, actions } = self;
        Explained { since, because, waiting_for, next, then, chain, actions }
    }
}
