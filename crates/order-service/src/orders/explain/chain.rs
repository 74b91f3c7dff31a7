//! What is known of an order.

use super::{Facts, Stock, told, why};
use crate::explained::{Link, trace_id};

pub(super) fn chain(facts: &Facts) -> Vec<Link> {
    let steps = told(&facts.timeline, |entry| {
        let why = why(entry).map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} by {}{why}", entry.status, entry.actor)
    });
    let mut chain: Vec<Link> =
        steps.map(|(entry, what)| Link::new(entry.at, what, "order-service: timeline")).collect();
    if let Some(accepted) = &facts.accepted {
        let what = format!("accepted to be placed later, attempts in vain: {}", accepted.attempts);
        let link = Link::new(facts.order.created_at, what, "order-service: accepted orders");
        chain.push(Link { trace_id: trace_id(accepted.traceparent.as_deref()), ..link });
    }
    for letter in &facts.letters {
        let what = set_aside(&letter.event_type, letter.id, &letter.consumer, &letter.reason);
        let link = Link::new(letter.dead_lettered_at, what, "order-service: dead letters");
        let trace_id = trace_id(letter.traceparent().as_deref());
        chain.push(Link { trace_id, event_id: letter.event_id, ..link });
    }
    if let Stock::Known(trace) = &facts.stock {
        chain.extend(trace.reservation.as_ref().map(|held| {
            Link::new(
                held.created_at,
                format!("stock reserved, now {}", held.status),
                "inventory-service: reservations",
            )
        }));
        for letter in &trace.letters {
            let what = set_aside(&letter.event_type, letter.id, &letter.consumer, &letter.reason);
            let link = Link::new(letter.dead_lettered_at, what, "inventory-service: dead letters");
            let trace_id = trace_id(letter.traceparent.as_deref());
            chain.push(Link { trace_id, event_id: letter.event_id, ..link });
        }
    }
    for payment in &facts.payments {
        let provider = payment.payment.provider;
        chain.extend(payment.operations.iter().map(|operation| {
            let why = operation.error_code.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            let (kind, amount, status) = (operation.kind, operation.amount, operation.status);
            let by = if operation.by_hand && !provider.is_on_delivery() { "hand" } else { provider.as_str() };
            let what = format!("{kind} of {amount} by {by}, {status}{why}");
            Link::new(operation.updated_at, what, "order-service: payments")
        }));
    }
    for message in &facts.messages {
        let why = message.last_error.as_deref().or(message.reason.as_deref());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let what = format!("{} by {}, {}{why}", message.kind, message.channel, message.status);
        let link = Link::new(message.sent_at.unwrap_or(message.created_at), what, "order-service: notifications");
        chain.push(Link { event_id: Some(message.event_id), ..link });
    }
    chain
}

fn set_aside(event_type: &str, letter: i64, consumer: &str, reason: &str) -> String {
    format!("{event_type} set aside as dead letter {letter} of {consumer}: {reason}")
}
