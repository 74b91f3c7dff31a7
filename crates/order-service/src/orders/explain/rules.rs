//! The rules, one for each place where an order can stand still. The first that fits an order explains it.

mod money;

use super::{Facts, Stock, arrival, why};
use crate::explained::Reason;
use crate::orders::domain::OrderPayment;
use crate::payments::{Method, OrderPaymentStatus};
use shared_types::OrderStatus;
use shared_types::reservations::{ReservationStatus, StockTrace};
use shared_types::topology::{INVENTORY_ORDER_EVENTS, ORDER_RESERVATION_EVENTS};
use time::Duration;

type Rule = fn(&Facts) -> Option<Reason>;

/// From the ends of an order's life back to its beginning.
const RULES: [Rule; 27] = [
    money::under_review,
    money::refund_under_way,
    money::to_be_given_back,
    to_be_paid_out,
    cancelled,
    to_be_collected,
    delivered,
    shipped,
    confirmed,
    money::called_off,
    money::outcome_unknown,
    money::attempt_failed,
    money::customer_has_to_act,
    payment_due,
    accepted_with_stock,
    accepted_without_inventory,
    accepted_in_vain,
    accepted,
    answer_set_aside,
    event_without_broker,
    event_in_outbox,
    event_to_be_published,
    inventory_away,
    event_set_aside,
    stock_held,
    answer_in_outbox,
    stock_committed,
];

/// How much later than its order a message may be written in the same transaction.
const ONE_TRANSACTION: Duration = Duration::seconds(1);

/// For how long a message may wait while the relay is on time.
const ON_TIME: Duration = Duration::seconds(5);

const DELIVERED: &str = "It was delivered.";

pub(super) fn first(facts: &Facts) -> Reason {
    RULES.iter().find_map(|rule| rule(facts)).unwrap_or_else(|| stock_gone(facts))
}

fn cancel(facts: &Facts) -> [String; 1] {
    [format!("POST /api/orders/{}/cancel", facts.order.id)]
}

fn move_on(facts: &Facts) -> [String; 1] {
    [format!("PUT /api/orders/{}/status", facts.order.id)]
}

/// Noting that its money was collected, where that is still to be done.
fn collect(facts: &Facts) -> Option<String> {
    let payment = facts.order.payment.as_ref().filter(|it| it.status == OrderPaymentStatus::OnDelivery)?;
    Some(format!("POST /api/payments/{}/collect", payment.id))
}

fn replay(service: &str, letter: i64) -> [String; 2] {
    let path = format!("/api/admin/dead-letters/{letter}/replay");
    [format!("POST {path}?dryRun=true on {service}"), format!("POST {path} on {service}")]
}

fn has(facts: &Facts, status: OrderStatus) -> Option<()> {
    (facts.order.status == status).then_some(())
}

/// What the timeline says of how it came to its status.
fn detail(facts: &Facts) -> Option<String> {
    why(arrival(&facts.timeline)?)
}

fn why_cancelled(facts: &Facts) -> String {
    let by = || arrival(&facts.timeline).map_or("somebody", |entry| entry.actor.as_str());
    detail(facts).unwrap_or_else(|| format!("It was cancelled by {}.", by()))
}

fn to_be_paid_out(facts: &Facts) -> Option<Reason> {
    has(facts, OrderStatus::Cancelled)?;
    let taken = |status| matches!(status, OrderPaymentStatus::Paid | OrderPaymentStatus::PartRefunded);
    let at_the_door = |payment: &&OrderPayment| payment.method == Method::CashOnDelivery;
    let payment = facts.order.payment.as_deref().filter(|payment| taken(payment.status)).filter(at_the_door)?;
    let because = format!("Its money was taken and waits to be paid out. {}", why_cancelled(facts));
    let reason = Reason::new(because).waits_for("an operator to pay its money out");
    let reason = reason.next("an operator notes that it was paid out", None);
    Some(reason.can([format!("POST /api/payments/{}/refunds", payment.id)]))
}

fn cancelled(facts: &Facts) -> Option<Reason> {
    has(facts, OrderStatus::Cancelled)?;
    Some(Reason::new(why_cancelled(facts)))
}

fn to_be_collected(facts: &Facts) -> Option<Reason> {
    has(facts, OrderStatus::Delivered)?;
    let collect = collect(facts)?;
    let because = format!("Its money waits to be collected. {}", detail(facts).as_deref().unwrap_or(DELIVERED));
    let reason = Reason::new(because).waits_for("the carrier or the shop to collect its money");
    Some(reason.next("somebody notes that it was collected", None).can([collect]))
}

fn delivered(facts: &Facts) -> Option<Reason> {
    has(facts, OrderStatus::Delivered)?;
    Some(Reason::new(detail(facts).unwrap_or_else(|| DELIVERED.to_owned())))
}

fn shipped(facts: &Facts) -> Option<Reason> {
    has(facts, OrderStatus::Shipped)?;
    let reason = Reason::new("It has left the house and was not delivered yet.").waits_for("the carrier");
    Some(reason.next("somebody changes its status to DELIVERED", None).can(move_on(facts)).can(collect(facts)))
}

fn confirmed(facts: &Facts) -> Option<Reason> {
    has(facts, OrderStatus::Confirmed)?;
    let reason = Reason::new("Its stock is committed. It waits to be shipped.").waits_for("the shop to ship it");
    let reason = reason.next("somebody changes its status to SHIPPED", None).can(move_on(facts));
    Some(reason.can(cancel(facts)).can(collect(facts)))
}

fn payment_due(facts: &Facts) -> Option<Reason> {
    let payment = facts.order.payment.as_ref().filter(|payment| payment.status.is_due())?;
    let because = format!("It has to be paid first: {} by {}.", payment.amount, payment.method);
    let mut reason = Reason::new(because).waits_for("its customer").next("its customer pays it", None);
    if payment.pay_by.is_some() {
        reason = reason.then("it is cancelled unless it is paid by then", payment.pay_by);
    }
    Some(reason.can([format!("POST /api/orders/{}/payments", facts.order.id)]).can(cancel(facts)))
}

/// The order is accepted, and these are its place in the queue and its reservation, where it is known.
fn waits_for_place(facts: &Facts) -> Option<(&super::Accepted, Option<ReservationStatus>)> {
    let accepted = facts.accepted.as_ref().filter(|_| facts.order.total_amount.is_none())?;
    Some((accepted, trace(facts).and_then(|trace| trace.reservation.as_ref()).map(|reservation| reservation.status)))
}

fn to_be_placed(reason: Reason, facts: &Facts, accepted: &super::Accepted) -> Reason {
    // Who tries for the first time moves the time on first, in case they die: it says nothing then.
    let at = Some(accepted.next_attempt_at).filter(|_| accepted.attempts > 0);
    let reason = reason.next("a worker tries to place it", at);
    reason.then("it is cancelled if it was not placed", Some(accepted.give_up_at)).can(cancel(facts))
}

fn accepted_with_stock(facts: &Facts) -> Option<Reason> {
    let (accepted, reservation) = waits_for_place(facts)?;
    matches!(reservation, Some(ReservationStatus::Held | ReservationStatus::Committed)).then_some(())?;
    let reason = Reason::new("It was accepted and its stock is reserved. It is not written as placed yet.");
    Some(to_be_placed(reason.waits_for("the worker that places it"), facts, accepted))
}

fn accepted_without_inventory(facts: &Facts) -> Option<Reason> {
    let (accepted, _) = waits_for_place(facts)?;
    let Stock::Unknown(why) = &facts.stock else { return None };
    let attempts = accepted.attempts;
    let because = format!("It was accepted. Attempts in vain: {attempts}. inventory-service: {why}.");
    Some(to_be_placed(Reason::new(because).waits_for("inventory-service"), facts, accepted))
}

fn accepted_in_vain(facts: &Facts) -> Option<Reason> {
    let (accepted, _) = waits_for_place(facts)?;
    (accepted.attempts > 0).then_some(())?;
    let because = format!(
        "It was accepted. Attempts in vain: {}. The last one got no answer about its stock.",
        accepted.attempts
    );
    Some(to_be_placed(Reason::new(because).waits_for("the next attempt"), facts, accepted))
}

fn accepted(facts: &Facts) -> Option<Reason> {
    let (accepted, _) = waits_for_place(facts)?;
    let reason = Reason::new("It was accepted. Its stock is not reserved yet.");
    Some(to_be_placed(reason.waits_for("the first attempt to place it"), facts, accepted))
}

// From here on the order is placed and PENDING.

fn answer_set_aside(facts: &Facts) -> Option<Reason> {
    let letter = facts.letters.iter().find(|letter| letter.consumer == ORDER_RESERVATION_EVENTS.name)?;
    let (id, reason) = (letter.id, &letter.reason);
    let because = format!("order-service set the answer of inventory-service aside as dead letter {id}: {reason}.");
    Some(
        Reason::new(because)
            .waits_for("an operator")
            .next("somebody replays the dead letter", None)
            .can(replay("order-service", id)),
    )
}

/// Whether its event stands in the outbox: messages leave it in order.
fn is_in_outbox(facts: &Facts) -> bool {
    facts.oldest_message.is_some_and(|oldest| oldest <= facts.order.updated_at + ONE_TRANSACTION)
}

fn event_without_broker(facts: &Facts) -> Option<Reason> {
    let why = facts.broker.as_ref().err().filter(|_| is_in_outbox(facts))?;
    let because = format!("It is placed. Its event waits in the outbox, as RabbitMQ is not reached: {why}.");
    let reason =
        Reason::new(because).waits_for("RabbitMQ").next("the relay connects and publishes order.created", None);
    Some(settled(reason, facts))
}

fn event_in_outbox(facts: &Facts) -> Option<Reason> {
    let is_late = facts.oldest_message.is_some_and(|oldest| facts.now - oldest > ON_TIME);
    (is_late && is_in_outbox(facts)).then_some(())?;
    let reason = Reason::new("It is placed. Its event waits in the outbox: the relay is behind.");
    Some(settled(reason.waits_for("the relay of order-service").next("order.created is published", None), facts))
}

fn event_to_be_published(facts: &Facts) -> Option<Reason> {
    is_in_outbox(facts).then_some(())?;
    let reason = Reason::new("It is placed. Its event is about to be published.");
    Some(settled(reason.waits_for("the relay of order-service").next("order.created is published", None), facts))
}

fn inventory_away(facts: &Facts) -> Option<Reason> {
    let Stock::Unknown(why) = &facts.stock else { return None };
    let because = format!("It is placed and waits for its stock to be committed. inventory-service: {why}.");
    Some(
        Reason::new(because)
            .waits_for("inventory-service")
            .next("inventory-service receives order.created", None)
            .can(cancel(facts)),
    )
}

fn trace(facts: &Facts) -> Option<&StockTrace> {
    if let Stock::Known(trace) = &facts.stock { Some(trace) } else { None }
}

fn is(facts: &Facts, status: ReservationStatus) -> Option<&StockTrace> {
    trace(facts).filter(|trace| trace.reservation.as_ref().is_some_and(|reservation| reservation.status == status))
}

/// What happens to held stock when nothing else does.
fn settled(reason: Reason, facts: &Facts) -> Reason {
    let held = is(facts, ReservationStatus::Held).and_then(|trace| trace.reservation.as_ref());
    match held {
        Some(held) => reason.then("settling commits its stock", Some(held.expires_at)).can(cancel(facts)),
        None => reason.can(cancel(facts)),
    }
}

fn event_set_aside(facts: &Facts) -> Option<Reason> {
    let letters = &trace(facts)?.letters;
    let letter = letters.iter().find(|letter| letter.consumer == INVENTORY_ORDER_EVENTS.name)?;
    let (id, reason) = (letter.id, &letter.reason);
    let because = format!("inventory-service set its event aside as dead letter {id}: {reason}.");
    let reason = Reason::new(because).waits_for("an operator").next("somebody replays the dead letter", None);
    Some(settled(reason.can(replay("inventory-service", id)), facts))
}

fn stock_held(facts: &Facts) -> Option<Reason> {
    is(facts, ReservationStatus::Held)?;
    let because = "It is placed and its stock is held. Its event is on its way to inventory-service, or waits there to be tried again.";
    let reason = Reason::new(because).waits_for("inventory-service to commit its stock");
    Some(settled(reason.next("inventory-service commits its stock", None), facts))
}

fn answer_in_outbox(facts: &Facts) -> Option<Reason> {
    let trace = is(facts, ReservationStatus::Committed)?;
    let why = trace.broker.as_ref().filter(|_| trace.oldest_message.is_some())?;
    let because = format!(
        "Its stock is committed. The answer waits in the outbox of inventory-service, as RabbitMQ is not reached: {why}."
    );
    Some(
        Reason::new(because)
            .waits_for("RabbitMQ")
            .next("inventory-service publishes reservation.committed", None)
            .can(cancel(facts)),
    )
}

fn stock_committed(facts: &Facts) -> Option<Reason> {
    is(facts, ReservationStatus::Committed)?;
    let reason = Reason::new("Its stock is committed. The answer of inventory-service is on its way.");
    Some(reason.waits_for("reservation.committed").next("order-service confirms it", None).can(cancel(facts)))
}

fn stock_gone(facts: &Facts) -> Reason {
    let reason = Reason::new("Its stock was released before it was committed: the order has none.");
    reason.waits_for("reservation.released").next("order-service cancels it", None).can(cancel(facts))
}

#[cfg(test)]
mod tests;
