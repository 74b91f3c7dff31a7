//! Why a message stands where it stands, what it waits for, and what happens next: from what is known of it, by a table of
//! rules. Nothing is read here.

mod rules;

use super::domain::Status;
use super::domain::log::Notification;
use crate::explained::{Explained, Link, trace_id};
use serde::Serialize;
use service_kit::health::Circuit;
use std::time::Duration;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// What is known of a message.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The message.
    pub notification: Notification,
    /// Trace context of its event, where the trace is recorded.
    pub traceparent: Option<String>,
    /// The earliest of those before it about its order that wait to be sent by its channel, if there is one.
    pub before: Option<Notification>,
    /// Why nothing is sent by its channel, if that is so.
    pub missing: Option<&'static str>,
    /// What sends by its channel.
    pub provider: &'static str,
    /// Where the circuit in front of that stands, and how long it stays shut.
    pub circuit: (Circuit, Duration),
    /// Most attempts of a message.
    pub most_attempts: usize,
    /// Whether somebody can have it sent again.
    pub can_resend: bool,
    /// The time.
    pub now: OffsetDateTime,
}

/// Why a message stands where it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ExplainedNotification {
    /// Its status.
    pub state: Status,
    #[serde(flatten)]
    pub explained: Explained,
}

/// Explains a message, by the first rule that fits it.
pub fn explain(facts: &Facts) -> ExplainedNotification {
    let chain = chain(facts);
    // When it came to its end is the last that is known of it; until then it waits since it was written.
    let since = chain.iter().map(|link| link.at).max().filter(|_| facts.notification.status != Status::Queued);
    let since = since.unwrap_or(facts.notification.created_at);
    ExplainedNotification { state: facts.notification.status, explained: rules::first(facts).explained(since, chain) }
}

fn chain(facts: &Facts) -> Vec<Link> {
    let Notification { kind, channel, resends, event_id, .. } = &facts.notification;
    let place = "order-service: notifications";
    let again = if *resends > 0 { format!(", sent again since: {resends}") } else { String::new() };
    let written = Link::new(facts.notification.created_at, format!("{kind} by {channel} written{again}"), place);
    let trace_id = trace_id(facts.traceparent.as_deref());
    let mut chain = vec![Link { event_id: Some(*event_id), trace_id, ..written }];
    for (at, what) in [
        (facts.notification.sent_at, format!("taken by {}", facts.provider)),
        (facts.notification.delivered_at, "reported as delivered".to_owned()),
        (facts.notification.erased_at, "recipient and texts erased".to_owned()),
    ] {
        chain.extend(at.map(|at| Link::new(at, what, place)));
    }
    if let Some(before) = &facts.before {
        let what = format!("notification {}, {} by {}, waits before it", before.id, before.kind, before.channel);
        chain.push(Link { event_id: Some(before.event_id), ..Link::new(before.created_at, what, place) });
    }
    chain
}
