//! Placing orders: once without a key, with a key until the answer is definite, now and later.

use super::charging::Due;
use super::{ChaosClient, Person, Settled, Side};
use crate::figures::Kind;
use crate::history::{Answered, Lines, Placed};
use crate::operations::{Manner, SCARCE, Wanted};
use crate::requests::{Answer, Request, Verdict};
use reqwest::Method;
use serde_json::{Value, json};
use shared_types::OrderStatus;
use verify::records::Order;

const ORDERS: &str = "/api/orders";

impl ChaosClient {
    /// Without a key a request is made once: whether it was done is known from its answer or not at all. Gives whether it
    /// was answered with 201.
    pub async fn place(&mut self, wanted: &Wanted) -> bool {
        let (token, lines) = (self.token(), self.lines(wanted));
        let place = self.note_placement(&token, &lines);
        let request = Request::with_body(Method::POST, ORDERS, &self.to_be_paid(body(&token, &lines)));
        match self.attempt(Kind::Place, Side::Orders, &request, &[201, 409]).await {
            Verdict::Definite(answer) => {
                self.remember(place, &token, &lines, &answer, false);
                return answer.status == 201;
            }
            Verdict::NotSent | Verdict::Renew => self.history.lock().placements[place].outcome = Placed::Refused,
            Verdict::Unknown | Verdict::Wrong(_) => {}
        }
        false
    }

    /// Places an order that nobody has to pay first; gives its number where it was answered with 201.
    pub async fn probe(&mut self) -> Option<i64> {
        // One piece of what does not run out.
        let (token, lines) = (self.token(), self.lines(&vec![(SCARCE, 1)]));
        let place = self.note_placement(&token, &lines);
        let request = Request::with_body(Method::POST, ORDERS, &body(&token, &lines));
        match self.attempt(Kind::Probe, Side::Orders, &request, &[201, 409]).await {
            Verdict::Definite(answer) => {
                self.remember(place, &token, &lines, &answer, false);
                (answer.status == 201).then(|| self.known.last().map(|order| order.id))?
            }
            Verdict::NotSent | Verdict::Renew => {
                self.history.lock().placements[place].outcome = Placed::Refused;
                None
            }
            Verdict::Unknown | Verdict::Wrong(_) => None,
        }
    }

    /// Whether one of its orders is confirmed by now.
    pub async fn is_confirmed(&mut self, id: i64) -> bool {
        let request = Request::get(format!("{ORDERS}/{id}"));
        match self.attempt(Kind::Probe, Side::Orders, &request, &[200]).await {
            Verdict::Definite(answer) => {
                serde_json::from_str::<Order>(&answer.text).is_ok_and(|order| order.status == OrderStatus::Confirmed)
            }
            _ => false,
        }
    }

    /// No piece is so cheap. Whatever was heard of it, there must be no such order.
    pub(super) async fn place_at_wrong_total(&mut self, wanted: &Wanted) {
        let (token, lines) = (self.token(), self.lines(wanted));
        let place = self.note_placement(&token, &lines);
        self.history.lock().placements[place].outcome = Placed::Refused;
        let mut body = body(&token, &lines);
        body["expectedTotal"] = json!(0.01);
        let request = Request::with_body(Method::POST, ORDERS, &body);
        self.attempt(Kind::WrongTotal, Side::Orders, &request, &[409]).await;
    }

    pub(super) async fn place_keyed(
        &mut self,
        wanted: &Wanted,
        later: bool,
        manner: Manner,
        repeat: bool,
        other_body: bool,
    ) {
        let (token, lines) = (self.token(), self.lines(wanted));
        let place = self.note_placement(&token, &lines);
        // How an order is paid that is to be placed later is said when it is.
        let body_of_order = if later { body(&token, &lines) } else { self.to_be_paid(body(&token, &lines)) };
        let request = Request::with_body(Method::POST, ORDERS, &body_of_order).keyed(&token);
        let request = Request { later, ..request };
        let (kind, expected): (_, &[u16]) =
            if later { (Kind::PlaceAsync, &[202]) } else { (Kind::PlaceKeyed, &[201, 409]) };
        let Settled { answer, unsure } = self.in_manner(manner, kind, Side::Orders, &request, expected).await;
        let Some(answer) = answer else { return };
        self.remember(place, &token, &lines, &answer, unsure);
        if answer.status == 409 {
            return;
        }
        if repeat {
            self.repeat(Side::Orders, &request, &answer).await;
        }
        if other_body {
            let more: Lines = lines.iter().map(|(product, quantity)| (*product, quantity + 1)).collect();
            let other = Request { body: Some(body(&token, &more).to_string()), ..request };
            self.until_definite(Kind::OtherBody, Side::Orders, &other, &[422]).await;
        }
    }

    fn remember(&mut self, place: usize, token: &str, lines: &Lines, answer: &Answer, unsure: bool) {
        let outcome = if answer.status == 409 {
            // An attempt without an answer may still have placed it.
            if unsure { Placed::Unknown } else { Placed::Refused }
        } else {
            match read(answer, token, lines) {
                Ok(order) => {
                    self.known.push(order.clone());
                    self.due.extend(Due::of(&order, &answer.text));
                    Placed::Answered(Box::new(Answered { status: answer.status, order }))
                }
                Err(what) => {
                    self.history.lock().found(format!("{token} was answered {answer:?}: {what}"));
                    Placed::Unknown
                }
            }
        };
        self.history.lock().placements[place].outcome = outcome;
    }

    /// Every third order is to be paid first, every eighth at the door.
    fn to_be_paid(&self, mut body: Value) -> Value {
        let method = match self.asked % 8 {
            0 => "CASH_ON_DELIVERY",
            1 | 4 => "CARD",
            6 => "UPI",
            _ => return body,
        };
        body["payment"] = json!({"method": method});
        body
    }

    fn note_placement(&self, token: &str, lines: &Lines) -> usize {
        self.history.lock().place(token, lines, self.person.as_ref().map(Person::id))
    }

    fn lines(&self, wanted: &Wanted) -> Lines {
        wanted.iter().map(|(product, quantity)| (self.products[*product].id, *quantity)).collect()
    }
}

/// The body of an order; the token is the customer's name.
pub(super) fn body(token: &str, lines: &Lines) -> Value {
    let items: Vec<Value> =
        lines.iter().map(|(product, quantity)| json!({"productId": product, "quantity": quantity})).collect();
    json!({
        "customerName": token,
        "customerEmail": format!("{token}@example.com"),
        "shippingAddress": "1 Storm Lane",
        "items": items,
    })
}

/// The order out of a 201 or 202, which must be the one that was asked for.
fn read(answer: &Answer, token: &str, lines: &Lines) -> Result<Order, String> {
    let order: Order = serde_json::from_str(&answer.text).map_err(|error| error.to_string())?;
    let mut wanted = lines.clone();
    wanted.sort_unstable();
    let mut answered: Lines = order.items.iter().map(|line| (line.product_id, line.quantity)).collect();
    answered.sort_unstable();
    if order.customer_name != token || answered != wanted {
        return Err("this is not what was ordered".to_owned());
    }
    if order.status != OrderStatus::Pending || order.is_placed() != (answer.status == 201) {
        return Err("an order begins as PENDING, with a total once it is placed".to_owned());
    }
    if answer.location.as_deref() != Some(&format!("{ORDERS}/{}", order.id)) {
        return Err("Location is not the order's".to_owned());
    }
    Ok(order)
}
