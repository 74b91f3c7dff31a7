//! Each rule has an order that it explains, and that no other would explain so.

use super::{RULES, first, stock_gone};
use crate::orders::domain::{Order, OrderPayment, PlaceOrder, TimelineEntry};
use crate::orders::explain::{Accepted, Facts, Stock};
use crate::orders::store::Inserted;
use crate::payments::{
    LatestPayment, Method, Operation, OperationKind, OperationStatus, OrderPaymentStatus, Payment, PaymentStatus,
    PaymentWithOperations, Provider,
};
use rust_decimal::Decimal;
use serde_json::json;
use service_kit::dead_letters::{DeadLetter, LetterState};
use shared_types::reservations::{LetterTrace, ReservationStatus, ReservationTrace, StockTrace};
use shared_types::topology::{INVENTORY_ORDER_EVENTS, ORDER_RESERVATION_EVENTS};
use shared_types::{Money, OrderId, OrderStatus, PaymentId, Reference};
use std::collections::HashMap;
use time::{Duration, OffsetDateTime};

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// An order of this status whose event was published, and whose stock does not matter.
fn placed(status: OrderStatus) -> Facts {
    let body = json!({"customerName": "Ada Lovelace", "customerEmail": "ada@example.com", "shippingAddress": "London",
        "items": [{"productId": 1, "quantity": 1}]});
    let (new, _) = serde_json::from_value::<PlaceOrder>(body).unwrap().parse().unwrap();
    let written = Inserted {
        id: OrderId(7),
        reference: Reference::random(),
        created_at: AT,
        updated_at: AT,
        version: 1,
        items: HashMap::new(),
    };
    let order = Order { status, ..written.order(None, &new, Some(Money::from(Decimal::ONE)), Vec::new()) };
    let entry = TimelineEntry { status, at: AT, actor: "operator".to_owned(), reason: None, internal_note: None };
    Facts {
        order,
        timeline: vec![entry],
        accepted: None,
        letters: Vec::new(),
        oldest_message: None,
        broker: Ok(()),
        stock: Stock::NotAsked,
        payments: Vec::new(),
        messages: Vec::new(),
        now: AT + Duration::seconds(5),
    }
}

fn pending(reservation: Option<ReservationStatus>) -> Facts {
    let reservation = reservation.map(|status| ReservationTrace { status, created_at: AT, expires_at: AT });
    let trace = StockTrace { reservation, letters: Vec::new(), oldest_message: None, broker: None };
    Facts { stock: Stock::Known(trace), ..placed(OrderStatus::Pending) }
}

/// The same with a payment that comes to this.
fn paid(mut facts: Facts, status: OrderPaymentStatus) -> Facts {
    let amount = Money::from(Decimal::ONE);
    let latest = LatestPayment { id: PaymentId(5), method: Method::CashOnDelivery, amount, pay_by: None };
    facts.order.payment = Some(Box::new(OrderPayment::of(&latest, status)));
    facts
}

/// The same with a payment by a provider, which stands so, and with what was asked for it.
fn by_provider(
    facts: Facts,
    (order, status): (OrderPaymentStatus, PaymentStatus),
    operations: &[(OperationKind, OperationStatus)],
) -> Facts {
    let payment = Payment {
        error_code: (status == PaymentStatus::Failed).then(|| "card_declined".to_owned()),
        pay_by: Some(AT),
        captured: if status == PaymentStatus::Captured { Money::from(Decimal::ONE) } else { Money::default() },
        ..Payment::sample(Provider::Stripe, status, AT)
    };
    let sample = || Operation::sample(PaymentId(5));
    let operations = operations.iter().map(|(kind, status)| Operation { kind: *kind, status: *status, ..sample() });
    let payment = PaymentWithOperations { payment, operations: operations.collect() };
    let mut facts = Facts { payments: vec![payment], ..paid(facts, order) };
    facts.order.payment.as_mut().unwrap().pay_by = Some(AT);
    facts
}

/// An order that waits to be placed.
fn accepted(attempts: i32, stock: Stock) -> Facts {
    let mut facts = Facts { stock, ..pending(None) };
    facts.order.total_amount = None;
    let waits = Accepted { attempts, next_attempt_at: AT, give_up_at: AT + Duration::hours(1), traceparent: None };
    Facts { accepted: Some(waits), ..facts }
}

fn letter(consumer: &str) -> DeadLetter {
    DeadLetter {
        id: 3,
        state: LetterState::Waiting,
        consumer: consumer.to_owned(),
        event_id: None,
        event_type: "order.created".to_owned(),
        subject: None,
        reason: "not understood".to_owned(),
        attempts: 6,
        dead_lettered_at: AT,
        replay_due_at: None,
        replayed_at: None,
        discarded: None,
        edited: None,
        original_body: None,
        body: String::new(),
    }
}

fn away() -> Stock {
    Stock::Unknown("not reached".to_owned())
}

fn with_trace(mut facts: Facts, change: impl FnOnce(&mut StockTrace)) -> Facts {
    if let Stock::Known(trace) = &mut facts.stock {
        change(trace);
    }
    facts
}

/// The orders, in the order of the rules, and what is said of each.
fn cases() -> Vec<(Facts, &'static str)> {
    let held = || pending(Some(ReservationStatus::Held));
    let committed = || pending(Some(ReservationStatus::Committed));
    let set_aside = LetterTrace {
        id: 4,
        consumer: INVENTORY_ORDER_EVENTS.name.to_owned(),
        event_type: "order.created".to_owned(),
        event_id: None,
        reason: "not understood".to_owned(),
        dead_lettered_at: AT,
        traceparent: None,
    };
    let waits = |status, operations| by_provider(committed(), (OrderPaymentStatus::Due, status), operations);
    let refund = &[(OperationKind::Refund, OperationStatus::Accepted)];
    let reversed = &[(OperationKind::Refund, OperationStatus::Reversed)];
    vec![
        (paid(placed(OrderStatus::Confirmed), OrderPaymentStatus::Review), "Its payment is under review"),
        (
            by_provider(placed(OrderStatus::Cancelled), (OrderPaymentStatus::Paid, PaymentStatus::Captured), refund),
            "Its money goes back: 1.00, STRIPE has it and gives it back. It was cancelled by operator.",
        ),
        (
            by_provider(placed(OrderStatus::Cancelled), (OrderPaymentStatus::Paid, PaymentStatus::Captured), reversed),
            "Its refund did not go through: 1.00, REVERSED. The next one goes by STRIPE again, unless it is by hand.",
        ),
        (
            paid(placed(OrderStatus::Cancelled), OrderPaymentStatus::Paid),
            "Its money was taken and waits to be paid out. It was cancelled by operator.",
        ),
        (placed(OrderStatus::Cancelled), "It was cancelled by operator."),
        (
            paid(placed(OrderStatus::Delivered), OrderPaymentStatus::OnDelivery),
            "Its money waits to be collected. It was delivered.",
        ),
        (placed(OrderStatus::Delivered), "It was delivered."),
        (placed(OrderStatus::Shipped), "It has left the house"),
        (placed(OrderStatus::Confirmed), "It waits to be shipped."),
        (
            by_provider(committed(), (OrderPaymentStatus::Voided, PaymentStatus::Voided), &[]),
            "Its payment was called off before anything was paid. Another can be opened.",
        ),
        (
            waits(PaymentStatus::Created, &[(OperationKind::Confirm, OperationStatus::Unknown)]),
            "STRIPE was asked for CONFIRM, and whether it was done is not known.",
        ),
        (waits(PaymentStatus::Failed, &[]), "STRIPE refused the last attempt: card_declined."),
        (waits(PaymentStatus::ActionRequired, &[]), "has something to do, such as at the page of a bank."),
        (paid(committed(), OrderPaymentStatus::Due), "It has to be paid first: 1.00 by CASH_ON_DELIVERY."),
        (accepted(0, held().stock), "It was accepted and its stock is reserved."),
        (accepted(2, away()), "Attempts in vain: 2. inventory-service: not reached."),
        (accepted(2, pending(None).stock), "Attempts in vain: 2. The last one got no answer about its stock."),
        (accepted(0, pending(None).stock), "Its stock is not reserved yet."),
        (Facts { letters: vec![letter(ORDER_RESERVATION_EVENTS.name)], ..committed() }, "aside as dead letter 3: not"),
        (
            Facts { oldest_message: Some(AT), broker: Err("refused".to_owned()), ..held() },
            "waits in the outbox, as RabbitMQ is not reached: refused.",
        ),
        (
            Facts { oldest_message: Some(AT), now: AT + Duration::seconds(6), ..held() },
            "Its event waits in the outbox: the relay is behind.",
        ),
        (Facts { oldest_message: Some(AT), ..held() }, "It is placed. Its event is about to be published."),
        (Facts { stock: away(), ..held() }, "waits for its stock to be committed. inventory-service: not reached."),
        (with_trace(held(), |trace| trace.letters.push(set_aside)), "inventory-service set its event aside as dead"),
        (held(), "Its event is on its way to inventory-service"),
        (
            with_trace(committed(), |trace| {
                (trace.oldest_message, trace.broker) = (Some(AT), Some("refused".to_owned()));
            }),
            "The answer waits in the outbox of inventory-service, as RabbitMQ is not reached: refused.",
        ),
        (committed(), "Its stock is committed. The answer of inventory-service is on its way."),
    ]
}

#[test]
fn every_rule_has_an_order_that_it_alone_explains() {
    let cases = cases();
    assert_eq!(cases.len(), RULES.len(), "a rule without an order");
    for (index, (facts, sentence)) in cases.iter().enumerate() {
        let said = |reason: super::Reason| reason.explained(AT, Vec::new()).because;
        assert!(said(first(facts)).contains(sentence), "{}", said(first(facts)));
        let others = RULES.iter().enumerate().filter(|(other, _)| *other != index);
        let without = others.map(|(_, rule)| rule).find_map(|rule| rule(facts)).unwrap_or_else(|| stock_gone(facts));
        assert_ne!(said(without), said(first(facts)), "rule {index} changes nothing");
    }
    let released = first(&pending(Some(ReservationStatus::Released))).explained(AT, Vec::new()).because;
    assert!(released.contains("was released before it was committed"), "{released}");
}

#[test]
fn an_event_younger_than_the_order_is_not_its_own() {
    let later = Facts { oldest_message: Some(AT + Duration::seconds(2)), ..pending(Some(ReservationStatus::Held)) };
    let said = first(&later).explained(AT, Vec::new()).because;
    assert!(said.contains("on its way to inventory-service"), "{said}");
}

#[test]
fn letters_of_other_queues_hold_nothing_up() {
    let told = letter("order-service.notifications");
    let facts = Facts { letters: vec![told], ..pending(Some(ReservationStatus::Committed)) };
    let said = first(&facts).explained(AT, Vec::new()).because;
    assert!(said.contains("The answer of inventory-service is on its way."), "{said}");
}

#[test]
fn what_waits_for_its_money_says_until_when() {
    let due = (OrderPaymentStatus::Due, PaymentStatus::Failed);
    let facts = by_provider(pending(Some(ReservationStatus::Held)), due, &[]);
    let explained = first(&facts).explained(AT, Vec::new());
    let then = explained.then.unwrap();
    assert_eq!((then.what.as_str(), then.at), ("it is cancelled unless it is paid by then", Some(AT)));
    let actions = ["GET /api/payments/5", "POST /api/orders/7/payments", "POST /api/orders/7/cancel"];
    assert_eq!(
        (explained.waiting_for.as_deref(), explained.actions),
        (Some("its customer"), actions.map(str::to_owned).to_vec())
    );
}

#[test]
fn what_a_provider_did_not_give_back_is_given_back_by_it_or_by_hand() {
    let kept = |operations: &[_]| {
        let paid = (OrderPaymentStatus::Paid, PaymentStatus::Captured);
        first(&by_provider(placed(OrderStatus::Cancelled), paid, operations)).explained(AT, Vec::new())
    };
    let told = kept(&[(OperationKind::Refund, OperationStatus::Refused)]);
    let refunds = "POST /api/payments/5/refunds";
    let by_hand = r#"POST /api/payments/5/refunds {"by": "HAND"}"#;
    assert_eq!(told.actions, [refunds, by_hand, "GET /api/admin/payments/findings?open=true"]);
    assert_eq!(told.waiting_for.as_deref(), Some("an operator to give its money back"));
    let told = kept(&[(OperationKind::Confirm, OperationStatus::Refused)]);
    assert_eq!(told.because, "Its money was taken, and no refund is under way: 1.00. It was cancelled by operator.");
    assert_eq!(told.actions, [refunds], "by hand would be refused");
}

#[test]
fn a_reason_and_a_note_are_both_told() {
    let mut facts = placed(OrderStatus::Cancelled);
    let entry = facts.timeline.last_mut().unwrap();
    (entry.reason, entry.internal_note) = (Some("Too late".to_owned()), Some("Rang twice".to_owned()));
    let explained = crate::orders::explain::explain(&facts).explained;
    assert_eq!(explained.because, "Rang twice (its customer was told: Too late)");
    assert_eq!(explained.chain[0].what, "CANCELLED by operator: Rang twice (its customer was told: Too late)");
}

#[test]
fn money_on_its_way_is_waited_for_and_no_other() {
    use OrderPaymentStatus::{OnDelivery, Paid, PartRefunded, Refunded, Voided};
    let refunds = (Some("an operator to pay its money out"), vec!["POST /api/payments/5/refunds"]);
    let collect = (Some("the carrier or the shop to collect its money"), vec!["POST /api/payments/5/collect"]);
    for (order, payment, (waiting_for, actions)) in [
        (OrderStatus::Cancelled, Paid, refunds.clone()),
        (OrderStatus::Cancelled, PartRefunded, refunds),
        (OrderStatus::Cancelled, Refunded, (None, vec![])),
        (OrderStatus::Cancelled, Voided, (None, vec![])),
        (OrderStatus::Delivered, OnDelivery, collect),
        (OrderStatus::Delivered, Paid, (None, vec![])),
    ] {
        let explained = first(&paid(placed(order), payment)).explained(AT, Vec::new());
        assert_eq!(explained.waiting_for.as_deref(), waiting_for, "{order} and {payment}");
        assert_eq!(explained.next.is_some(), waiting_for.is_some(), "{order} and {payment}");
        assert_eq!(explained.actions, actions, "{order} and {payment}");
    }
}
