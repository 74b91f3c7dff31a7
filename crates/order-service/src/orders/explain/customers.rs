//! What customers are told of their own orders: where they are, and no more.

use super::{ExplainedOrder, arrival, told};
use crate::explained::{Explained, Link, Step};
use crate::orders::domain::{Order, OrderPayment, TimelineEntry};
use crate::payments::{OrderPaymentStatus, Payment, PaymentStatus};
use shared_types::OrderStatus;

/// Explains an order to its customer. Its payments come newest first.
pub fn for_customer(order: &Order, timeline: &[TimelineEntry], payments: &[Payment]) -> ExplainedOrder {
    let last = arrival(timeline);
    let reason = last.and_then(|entry| entry.reason.clone());
    let step = |what: &str| Some(Step { what: what.to_owned(), at: None });
    let (because, waiting_for, next) = match order.status {
        OrderStatus::Pending if order.total_amount.is_none() => {
            ("We have your order and look whether its goods are available.", "its goods", step("we confirm your order"))
        }
        OrderStatus::Pending if order.payment_is_due() => to_be_paid(payments),
        OrderStatus::Pending => {
            ("We have your order. Its goods are set aside.", "our warehouse", step("we confirm your order"))
        }
        OrderStatus::Paid => ("Your order is paid.", "our warehouse", step("we confirm your order")),
        OrderStatus::Confirmed => ("Your order is confirmed.", "our warehouse", step("we ship your order")),
        OrderStatus::Shipped => ("Your order is on its way.", "the carrier", step("your order arrives")),
        OrderStatus::Delivered => ("Your order was delivered.", "", None),
        OrderStatus::Cancelled => ("Your order was cancelled.", "", None),
    };
    let because = reason.filter(|_| order.status == OrderStatus::Cancelled).unwrap_or_else(|| because.to_owned());
    let is_cancelled = order.status == OrderStatus::Cancelled;
    let (because, waiting_for, next) = match to_give_back(payments).filter(|_| is_cancelled) {
        Some(money) => {
            let because = format!("We will give back {money}. {because}");
            if payments.iter().any(|payment| payment.provider.is_on_delivery() && is_to_go_back(payment)) {
                (because, "our office", step("we give your money back"))
            } else {
                (because, "the payment service", step("your money comes back the way it came"))
            }
        }
        None => (because, waiting_for, next),
    };
    let waits =
        |payment: &&OrderPayment| order.status == OrderStatus::Pending && payment.status == OrderPaymentStatus::Due;
    let pay_by = order.payment.as_deref().filter(waits).and_then(|payment| payment.pay_by);
    let then = pay_by.map(|at| Step { what: "we cancel your order, unless it is paid".to_owned(), at: Some(at) });
    let chain = told(timeline, |entry| match &entry.reason {
        Some(reason) => format!("{}: {reason}", entry.status),
        None => entry.status.to_string(),
    });
    let chain = chain.map(|(entry, what)| Link { at: entry.at, what, place: None, trace_id: None, event_id: None });
    let may_cancel = matches!(order.status, OrderStatus::Pending | OrderStatus::Paid | OrderStatus::Confirmed);
    let explained = Explained {
        since: last.map_or(order.created_at, |entry| entry.at),
        because,
        waiting_for: Some(waiting_for.to_owned()).filter(|text| !text.is_empty()),
        next,
        then,
        chain: chain.collect(),
        actions: may_cancel.then(|| format!("POST /api/orders/{}/cancel", order.id)).into_iter().collect(),
    };
    ExplainedOrder { state: order.status, explained }
}

/// Why an order waits for its money, for what, and what is next.
fn to_be_paid(payments: &[Payment]) -> (&'static str, &'static str, Option<Step>) {
    let (because, waiting_for, next) = match payments.first().map(|payment| payment.status) {
        Some(PaymentStatus::Review) => {
            ("We have your order and check its payment.", "our office", "we tell you what comes of it")
        }
        Some(PaymentStatus::Failed) => {
            ("We have your order. Your last payment did not go through.", "your payment", "you pay your order")
        }
        Some(PaymentStatus::ActionRequired) => {
            ("We have your order. Your payment is not confirmed yet.", "your payment", "you confirm your payment")
        }
        Some(PaymentStatus::Voided | PaymentStatus::Expired) => {
            let because = "We have your order. Its payment was called off: please choose again how to pay.";
            (because, "your payment", "you pay your order")
        }
        _ => ("We have your order. It has to be paid.", "your payment", "you pay your order"),
    };
    (because, waiting_for, Some(Step { what: next.to_owned(), at: None }))
}

fn is_to_go_back(payment: &Payment) -> bool {
    payment.refund_reserved > payment.refunded
}

/// The money that is to be given back and was not yet.
fn to_give_back(payments: &[Payment]) -> Option<String> {
    let waiting = payments.iter().filter(|payment| is_to_go_back(payment));
    let money = waiting.map(|payment| format!("{} {}", payment.refund_reserved - payment.refunded, payment.currency));
    Some(money.collect::<Vec<_>>().join(" and ")).filter(|money| !money.is_empty())
}
