//! What customers are told of their own orders: where they are, and no more.

use super::{ExplainedOrder, arrival, told};
use crate::explained::{Explained, Link, Step};
use crate::orders::domain::{Order, TimelineEntry};
use crate::payments::Payment;
use shared_types::OrderStatus;

/// Explains an order to its customer. The payments are those of an order that is cancelled.
pub fn for_customer(order: &Order, timeline: &[TimelineEntry], payments: &[Payment]) -> ExplainedOrder {
    let last = arrival(timeline);
    let reason = last.and_then(|entry| entry.reason.clone());
    let step = |what: &str| Some(Step { what: what.to_owned(), at: None });
    let (because, waiting_for, next) = match order.status {
        OrderStatus::Pending if order.total_amount.is_none() => {
            ("We have your order and look whether its goods are available.", "its goods", step("we confirm your order"))
        }
        OrderStatus::Pending if order.payment_is_due() => {
            ("We have your order. It has to be paid.", "your payment", step("you pay your order"))
        }
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
    let (because, waiting_for, next) = match to_give_back(payments) {
        Some(money) => {
            let because = format!("We will give back {money}. {because}");
            (because, "our office", step("we give your money back"))
        }
        None => (because, waiting_for, next),
    };
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
        then: None,
        chain: chain.collect(),
        actions: may_cancel.then(|| format!("POST /api/orders/{}/cancel", order.id)).into_iter().collect(),
    };
    ExplainedOrder { state: order.status, explained }
}

/// The money that is to be given back and was not yet.
fn to_give_back(payments: &[Payment]) -> Option<String> {
    let waiting = payments.iter().filter(|payment| payment.refund_reserved > payment.refunded);
    let money = waiting.map(|payment| format!("{} {}", payment.refund_reserved - payment.refunded, payment.currency));
    Some(money.collect::<Vec<_>>().join(" and ")).filter(|money| !money.is_empty())
}
