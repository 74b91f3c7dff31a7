//! What operators send about dead letters, and the checks of every field.

use crate::body::Body;
use crate::dead_letters::{Filter, LetterState};
use crate::documented_problems;
use crate::extract::PlusKept;
use crate::validation::FieldErrors;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// Most letters that are sent again in a second.
const FASTEST: i32 = 1000;

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

documented_problems! {
    /// A letter that does not wait any more.
    AlreadyDone { "409": "it was replayed or discarded already, its queue is no longer consumed, or the same message waits there" }
    /// A message that no consumer could read.
    OtherEvent { "422": "the message cannot be read as an event" }
}

/// What narrows the list of dead letters down.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct LetterQuery {
    /// Only those of this queue's consumer.
    consumer: Option<String>,
    /// Only those in this state.
    #[param(value_type = Option<LetterState>)]
    state: Option<String>,
    /// Only those that were (true) or were not (false) sent again.
    replayed: Option<bool>,
    /// Only those of this type of event.
    #[param(example = "order.created")]
    event_type: Option<String>,
    /// Only those whose reason contains this, in any case.
    #[param(example = "missing field")]
    reason: Option<String>,
    /// Only those about this: the reference of an order, the number of a product.
    #[param(example = "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70")]
    subject: Option<String>,
    /// Only those that were set aside at this time (RFC 3339) or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<PlusKept>,
}

impl LetterQuery {
    pub(super) fn parse(self, consumers: &[&str]) -> Result<Filter, FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Some(consumer) = &self.consumer {
            check_consumer(&mut errors, consumer, consumers);
        }
        let state = self.state.and_then(|name| {
            let state = LetterState::of(&name);
            if state.is_none() {
                errors.add("state", "must be WAITING, REPLAYED or DISCARDED");
            }
            state
        });
        let since = errors.time("since", self.since.map(|it| it.0));
        let (event_type, reason, subject) = (self.event_type, self.reason, self.subject);
        let states = states(state, self.replayed);
        errors.into_result(Filter { consumer: self.consumer, states, event_type, reason, subject, since })
    }
}

/// The states that both parameters leave.
fn states(state: Option<LetterState>, replayed: Option<bool>) -> Option<Vec<LetterState>> {
    if state.is_none() && replayed.is_none() {
        return None;
    }
    let left = LetterState::ALL.into_iter().filter(|it| {
        state.is_none_or(|state| state == *it)
            && replayed.is_none_or(|replayed| replayed == (*it == LetterState::Replayed))
    });
    Some(left.collect())
}

fn check_consumer(errors: &mut FieldErrors, consumer: &str, consumers: &[&str]) {
    // A service that consumes nothing has no letters: there is nothing to name.
    if !consumers.is_empty() && !consumers.contains(&consumer) {
        errors.add("consumer", format!("must be one of {}", consumers.join(", ")));
    }
}

/// Another message for a letter.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct EditLetter {
    /// The message from now on: an event as the services send it.
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 500_000,
        format = "json",
        pattern = r"^[^\u0000]*$",
        example = r#"{"specversion":"1.0","id":"01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a71","source":"/order-service","type":"order.created","subject":"01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70","time":"2026-01-31T12:00:00Z","datacontenttype":"application/json","dataversion":1,"data":{"orderId":1,"reference":"01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70"}}"#
    )]
    body: Option<String>,
    /// Why.
    #[schema(required, nullable = false, max_length = 500, format = "lines", example = "The reference was missing")]
    reason: Option<String>,
}

impl EditLetter {
    /// The message and why.
    pub(super) fn parse(self) -> Result<(String, String), FieldErrors> {
        let mut errors = FieldErrors::default();
        let body = self.body.unwrap_or_default();
        if body.is_empty() {
            errors.add("body", "is required");
        } else if body.contains('\0') {
            errors.add("body", "must not contain a control character (U+0000)");
        }
        let reason = errors.required_lines("reason", self.reason, LONGEST_REASON);
        errors.into_result((body, reason))
    }
}

impl Body for EditLetter {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

/// How a letter is sent again.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ReplayOneQuery {
    /// Whether to find out only what the message would do.
    dry_run: Option<bool>,
}

impl ReplayOneQuery {
    pub(super) fn dry_run(self) -> bool {
        self.dry_run.unwrap_or(false)
    }
}

/// Why a letter needs nothing any more.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct Discard {
    /// Why.
    #[schema(
        required,
        nullable = false,
        max_length = 500,
        format = "lines",
        example = "The order was cancelled by telephone"
    )]
    reason: Option<String>,
}

impl Discard {
    pub(super) fn parse(&self) -> Result<String, FieldErrors> {
        let mut errors = FieldErrors::default();
        let reason = errors.required_lines("reason", self.reason.clone(), LONGEST_REASON);
        errors.into_result(reason)
    }
}

impl Body for Discard {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

/// Whose letters are to be sent again, and how fast.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ReplayQuery {
    /// One of the queues that this service consumes.
    #[param(value_type = String, required)]
    consumer: Option<String>,
    /// Only those of this type of event.
    #[param(example = "order.created")]
    event_type: Option<String>,
    /// Only those whose reason contains this, in any case.
    #[param(example = "no answer")]
    reason: Option<String>,
    /// Only those that were set aside at this time (RFC 3339) or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<PlusKept>,
    /// How many a second; without it, all at once.
    #[param(minimum = 1, maximum = 1000)]
    per_second: Option<i64>,
}

impl ReplayQuery {
    /// What tells one request from another.
    pub(super) fn fingerprint(&self) -> Vec<String> {
        let since = self.since.as_ref().map(|it| it.0.clone());
        let per_second = self.per_second.map(|it| it.to_string());
        let parts = [self.consumer.clone(), self.event_type.clone(), self.reason.clone(), since, per_second];
        parts.into_iter().map(Option::unwrap_or_default).collect()
    }

    pub(super) fn parse(self, consumers: &[&str]) -> Result<(Filter, Option<i32>), FieldErrors> {
        let mut errors = FieldErrors::default();
        let consumer = self.consumer.unwrap_or_default();
        check_consumer(&mut errors, &consumer, consumers);
        let since = errors.time("since", self.since.map(|it| it.0));
        let per_second = self.per_second.map(|number| errors.number("perSecond", number, 1..=FASTEST));
        let (event_type, reason) = (self.event_type, self.reason);
        let filter = Filter { consumer: Some(consumer), event_type, reason, since, ..Filter::default() };
        errors.into_result((filter, per_second))
    }
}

/// How many messages are on their way.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// Messages.
    #[schema(example = 3)]
    pub replayed: u64,
    /// When the last of them is sent, where they are sent one after the other.
    #[serde(with = "shared_types::times::option", skip_serializing_if = "Option::is_none")]
    pub last_at: Option<OffsetDateTime>,
}
