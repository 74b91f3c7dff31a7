//! Made-up runs, with which each check is seen to pass and to fail.

use crate::history::{Answered, History, Placed};
use crate::listener::Heard;
use crate::observed::Observed;
use serde_json::{Value, json};
use shared_types::OrderStatus;
use verify::records::Order;

/// A run in which everything is as it must be, until a test breaks it.
#[derive(Default)]
pub struct Run {
    pub history: History,
    pub observed: Observed,
    pub heard: Heard,
}

impl Run {
    /// An order that was answered with 201; orders are numbered from 1, their references are `r1`, `r2`, …
    pub fn placed(&mut self, token: &str, lines: &[(i64, i64)], timeline: &[OrderStatus]) {
        self.add(201, token, lines, timeline, true);
    }

    /// An order that was answered with 202, and placed later or not.
    pub fn accepted(&mut self, token: &str, lines: &[(i64, i64)], timeline: &[OrderStatus], placed: bool) {
        self.add(202, token, lines, timeline, placed);
    }

    fn add(&mut self, status: u16, token: &str, lines: &[(i64, i64)], timeline: &[OrderStatus], placed: bool) {
        let id = self.observed.orders.len() + 1;
        let place = self.history.place(token, &lines.to_vec(), None);
        let answered = Answered { status, order: order(id, token, lines, OrderStatus::Pending, status == 201) };
        self.history.placements[place].outcome = Placed::Answered(Box::new(answered));
        let now = timeline.last().copied().unwrap_or(OrderStatus::Pending);
        self.observed.orders.push((order(id, token, lines, now, placed), timeline.to_vec()));
    }

    /// A reservation that is there.
    pub fn reserved(&mut self, id: &str, status: &str) {
        let reservation = json!({"id": id, "status": status, "items": [], "createdAt": "2026-01-31T12:00:00Z"});
        self.observed.reservations.push(serde_json::from_value(reservation).unwrap());
    }

    /// An event that was heard, with an id of its own.
    pub fn hear(&mut self, event_type: &str, subject: &str) {
        let id = self.heard.arrivals.to_string();
        self.heard.hear(json!({"id": id, "type": event_type, "subject": subject}).to_string().as_bytes());
    }
}

fn order(id: usize, token: &str, lines: &[(i64, i64)], status: OrderStatus, placed: bool) -> Order {
    let known = |value: Value| if placed { value } else { Value::Null };
    let line = |(product, quantity): &(i64, i64)| {
        json!({
            "productId": product, "quantity": quantity, "productName": known(json!("A thing")),
            "price": known(json!(2)), "subtotal": known(json!(2 * quantity)),
        })
    };
    let total: i64 = lines.iter().map(|(_, quantity)| 2 * quantity).sum();
    let order = json!({
        "id": id, "reference": format!("r{id}"), "customerName": token, "status": status,
        "customerEmail": format!("{token}@example.com"), "totalAmount": known(json!(total)),
        "items": lines.iter().map(line).collect::<Vec<_>>(),
    });
    serde_json::from_value(order).unwrap()
}
