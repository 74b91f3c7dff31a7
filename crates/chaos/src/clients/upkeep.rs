//! What clients do with orders they know: cancel, ship, deliver, look; and what they get wrong.

use super::placing::body;
use super::{ChaosClient, Settled, Side};
use crate::checks::kept::difference;
use crate::figures::Kind;
use crate::history::{ChangeSeen, StatusChange};
use crate::requests::{Request, Verdict};
use reqwest::Method;
use serde_json::{Value, json};
use shared_types::OrderStatus;
use verify::records::Order;

/// Orders are cancelled and shipped while they are young.
const LATEST: usize = 12;

impl ChaosClient {
    pub(super) async fn cancel(&mut self, pick: usize) {
        let Some(order) = self.one_of_the_latest(pick) else { return };
        let key = self.token();
        let path = format!("/api/orders/{}/cancel", order.id);
        let request = Request::with_body(Method::POST, path, &json!({"reason": key})).keyed(&key);
        let Settled { answer, .. } = self.until_definite(Kind::Cancel, Side::Orders, &request, &[200, 409]).await;
        let outcome = answer.map_or(ChangeSeen::Unknown, |answer| outcome_of(answer.status));
        self.note(order.id, OrderStatus::Cancelled, outcome);
    }

    /// Takes the stock from under the newest order, which works until the order is heard of. What becomes of the order is told
    /// by the checks: it has its stock, or it is cancelled.
    pub(super) async fn release(&mut self) {
        let Some(order) = self.known.last() else { return };
        let path = format!("/api/inventory/reservations/{}/release", order.reference);
        let request = Request::with_body(Method::POST, path, &json!({}));
        // An order that is accepted may have no reservation yet.
        self.attempt(Kind::Release, Side::Inventory, &request, &[200, 404, 409]).await;
    }

    /// Has no key: it is asked for once, and a repeat would be refused or change nothing.
    pub(super) async fn move_on(&mut self, pick: usize, to: OrderStatus) {
        let Some(order) = self.one_of_the_latest(pick) else { return };
        let method = if pick.is_multiple_of(2) { Method::PUT } else { Method::PATCH };
        let request = Request::with_body(method, format!("/api/orders/{}/status", order.id), &json!({"status": to}));
        let outcome = match self.attempt(Kind::Move, Side::Orders, &request, &[200, 409]).await {
            // Which forbids it until it is paid, and leaves no trace.
            Verdict::Definite(answer) if answer.text.contains("payment-required") => {
                self.history.lock().unpaid.insert(order.id);
                ChangeSeen::Unknown
            }
            Verdict::Definite(answer) => outcome_of(answer.status),
            _ => ChangeSeen::Unknown,
        };
        self.note(order.id, to, outcome);
    }

    /// Nobody else changes the note: what was answered is what is read afterwards, whatever has happened in between.
    async fn annotate(&mut self, order: i64) -> Option<String> {
        let (note, path) = (self.token(), format!("/api/orders/{order}"));
        let request = Request::with_body(Method::PATCH, path, &json!({"note": note}));
        match self.attempt(Kind::Move, Side::Orders, &request, &[200, 409]).await {
            Verdict::Definite(answer) if answer.status == 200 => Some(note),
            _ => None,
        }
    }

    /// An order that was answered is there, with the answered content, whatever has happened in between.
    pub(super) async fn read(&mut self, pick: usize) {
        let Some(order) = self.known.get(pick % self.known.len().max(1)).cloned() else { return };
        let note = if pick.is_multiple_of(4) { self.annotate(order.id).await } else { None };
        let request = Request::get(format!("/api/orders/{}", order.id));
        let Verdict::Definite(answer) = self.attempt(Kind::Read, Side::Orders, &request, &[200]).await else { return };
        if let Some(note) = note.filter(|note| !answer.text.contains(note)) {
            self.history.lock().found(format!("order {} lost its note {note}: {}", order.id, answer.text));
        }
        let wrong = match serde_json::from_str::<Order>(&answer.text) {
            Ok(now) => difference(&order, &now),
            Err(error) => Some(error.to_string()),
        };
        if let Some(wrong) = wrong {
            self.history.lock().found(format!("order {} was read as {}: {wrong}", order.id, answer.text));
        }
    }

    pub(super) async fn send_bad_input(&mut self, pick: usize) {
        let bad = self.bad_bodies();
        let request = Request::with_body(Method::POST, "/api/orders", &Value::Null);
        let request = Request { body: Some(bad[pick % bad.len()].clone()), ..request };
        self.attempt(Kind::BadInput, Side::Orders, &request, &[400, 422]).await;
    }

    fn bad_bodies(&mut self) -> Vec<String> {
        let token = self.token();
        let good = body(&token, &vec![(self.products[0].id, 1)]);
        let with = |path: &str, value: Value| {
            let mut bad = good.clone();
            if let Some(field) = bad.pointer_mut(path) {
                *field = value;
            }
            bad.to_string()
        };
        let (mut cut, quantity) = (good.to_string(), "/items/0/quantity");
        cut.truncate(cut.len() / 2);
        vec![
            "{}".to_owned(),
            cut,
            with("/items", json!([])),
            with("/customerName", Value::Null),
            with("/customerEmail", json!("nobody")),
            with(quantity, json!(0)),
            with(quantity, json!(1.5)),
            with(quantity, json!(2_000_000_000)),
            with("/items/0/productId", json!("one")),
            with("/items/0/productId", json!(999_999)),
        ]
    }

    pub(super) fn one_of_the_latest(&self, pick: usize) -> Option<Order> {
        let latest = &self.known[self.known.len().saturating_sub(LATEST)..];
        latest.get(pick % latest.len().max(1)).cloned()
    }

    fn note(&self, order: i64, to: OrderStatus, outcome: ChangeSeen) {
        self.history.lock().status_changes.push(StatusChange { order, to, outcome });
    }
}

fn outcome_of(status: u16) -> ChangeSeen {
    if status == 200 { ChangeSeen::Done } else { ChangeSeen::Refused }
}
