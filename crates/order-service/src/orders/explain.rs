//! Why an order stands where it stands, what it waits for, and what happens next: from what is known of it, by a table of
//! rules. Nothing is read here.

mod chain;
mod customers;
mod rules;

pub use self::customers::for_customer;

use super::domain::{Order, TimelineEntry};
use crate::explained::Explained;
use crate::notifications::Notification;
use crate::payments::PaymentWithOperations;
use serde::Serialize;
use service_kit::dead_letters::DeadLetter;
use shared_types::OrderStatus;
use shared_types::reservations::StockTrace;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// What is known of an order.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The order.
    pub order: Order,
    /// The statuses it went through, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// Its place in the queue of accepted orders, until it is placed.
    pub accepted: Option<Accepted>,
    /// The dead letters of this service about it that wait.
    pub letters: Vec<DeadLetter>,
    /// When the oldest message in the outbox was written.
    pub oldest_message: Option<OffsetDateTime>,
    /// Whether the broker is reached, and why not.
    pub broker: Result<(), String>,
    /// What inventory-service knows of its stock.
    pub stock: Stock,
    /// Its payments with what was done to their money, newest first.
    pub payments: Vec<PaymentWithOperations>,
    /// What its customer was told.
    pub messages: Vec<Notification>,
    /// When all this was so.
    pub now: OffsetDateTime,
}

/// An order that waits to be placed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// Attempts in vain.
    pub attempts: i32,
    /// When it is tried next; while a worker has it, when it is another's turn.
    pub next_attempt_at: OffsetDateTime,
    /// When it is cancelled.
    pub give_up_at: OffsetDateTime,
    /// Trace context of the request.
    pub traceparent: Option<String>,
}

/// What inventory-service knows of the stock of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stock {
    /// It does not matter.
    NotAsked,
    /// It did not say, and why.
    Unknown(String),
    /// What it said.
    Known(StockTrace),
}

/// Why an order stands where it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ExplainedOrder {
    /// Its status.
    pub state: OrderStatus,
    #[serde(flatten)]
    pub explained: Explained,
}

impl Facts {
    /// Whether it is PENDING or PAID: then inventory-service knows more.
    pub fn stock_matters(order: &Order) -> bool {
        matches!(order.status, OrderStatus::Pending | OrderStatus::Paid)
    }

    /// Since when it has its status.
    fn since(&self) -> OffsetDateTime {
        arrival(&self.timeline).map_or(self.order.created_at, |entry| entry.at)
    }
}

/// The entry with which the order came to where it stands. A later one of the same status tells of something else: that a
/// customer took it into an account.
fn arrival(timeline: &[TimelineEntry]) -> Option<&TimelineEntry> {
    let status = timeline.last()?.status;
    timeline.iter().rev().take_while(|entry| entry.status == status).last()
}

/// Why the order came to the status of this entry: what operators noted, and what its customer was told.
fn why(entry: &TimelineEntry) -> Option<String> {
    match (&entry.internal_note, &entry.reason) {
        (Some(note), Some(reason)) => Some(format!("{note} (its customer was told: {reason})")),
        (one, other) => one.clone().or_else(|| other.clone()),
    }
}

/// What each entry tells: the status to which the order came, or what happened to it meanwhile.
fn told<'t>(
    timeline: &'t [TimelineEntry],
    came_to: impl Fn(&TimelineEntry) -> String + 't,
) -> impl Iterator<Item = (&'t TimelineEntry, String)> + 't {
    timeline.iter().enumerate().map(move |(index, entry)| {
        let before = index.checked_sub(1).and_then(|index| timeline.get(index));
        let stays = before.is_some_and(|before| before.status == entry.status);
        let what = entry.reason.clone().filter(|_| stays);
        (entry, what.unwrap_or_else(|| came_to(entry)))
    })
}

/// Explains an order to operators, by the first rule that fits it.
pub fn explain(facts: &Facts) -> ExplainedOrder {
    let explained = rules::first(facts).explained(facts.since(), chain::chain(facts));
    ExplainedOrder { state: facts.order.status, explained }
}
