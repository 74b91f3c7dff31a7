//! Customers who order, cancel, and have their orders shipped, and what they were answered.

use e2e::client::Client;
use e2e::samples::{LAPTOP, MOUSE, int, order, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Between two orders.
const PACE: Duration = Duration::from_millis(50);

/// An order that was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    pub id: i64,
    pub reference: String,
    /// The key of its request.
    pub key: String,
    pub asked_at: OffsetDateTime,
    pub answered_at: OffsetDateTime,
}

/// Orders that keep coming. One customer in five cancels, one in five has the goods soon.
pub struct Load {
    answered: Arc<Mutex<Vec<Answered>>>,
    refused: Arc<AtomicUsize>,
    stops: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// They come from now on; their keys begin with this name.
    pub fn start(shop: &Shop, name: &'static str) -> Self {
        let (answered, refused) = (Arc::<Mutex<Vec<Answered>>>::default(), Arc::<AtomicUsize>::default());
        let (stops, orders) = (Arc::<AtomicBool>::default(), shop.orders().clone());
        let (all, no, stop) = (answered.clone(), refused.clone(), stops.clone());
        let task = tokio::spawn(async move {
            let mut pace = tokio::time::interval(PACE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut calls = JoinSet::new();
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                pace.tick().await;
                number += 1;
                let (client, all, no) = (orders.clone(), all.clone(), no.clone());
                calls.spawn(async move {
                    match place(&client, &format!("{name}-{number}")).await {
                        Some(order) => locked(&all).push(order),
                        None => _ = no.fetch_add(1, Ordering::Relaxed),
                    }
                    let later = locked(&all).iter().rev().nth(20).map(|order| order.id);
                    match (number % 5, later) {
                        (0, Some(id)) => cancel(&client, id).await,
                        (1, Some(id)) => ship(&client, id).await,
                        _ => {}
                    }
                });
            }
            calls.join_all().await;
        });
        Self { answered, refused, stops, task }
    }

    /// How many were answered up to now.
    pub fn count(&self) -> usize {
        locked(&self.answered).len()
    }

    /// How many were refused, or had no answer.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// No more come; gives those that were answered, in the order of their answers.
    pub async fn stop(self) -> Vec<Answered> {
        self.stops.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        let mut answered = locked(&self.answered).clone();
        answered.sort_by_key(|order| order.answered_at);
        answered
    }
}

fn locked(answered: &Mutex<Vec<Answered>>) -> MutexGuard<'_, Vec<Answered>> {
    answered.lock().unwrap()
}

/// Places an order under this key; nothing where it is refused, or no answer comes.
pub async fn place(orders: &Client, key: &str) -> Option<Answered> {
    let asked_at = OffsetDateTime::now_utc();
    let call = orders.post("/api/orders", order(&[(LAPTOP, 1), (MOUSE, 2)])).key(key);
    let answer = call.attempt().await.ok().filter(|answer| answer.status == 201)?;
    let (answered_at, body): (_, Value) = (OffsetDateTime::now_utc(), answer.json());
    let reference = text(&body["reference"]).to_owned();
    Some(Answered { id: int(&body["id"]), reference, key: key.to_owned(), asked_at, answered_at })
}

/// Cancels an order, if it still can be.
pub async fn cancel(orders: &Client, id: i64) {
    let _ = orders.post(&format!("/api/orders/{id}/cancel"), json!({})).attempt().await;
}

/// Ships an order, if it can be.
pub async fn ship(orders: &Client, id: i64) {
    let _ = orders.put(&format!("/api/orders/{id}/status"), json!({"status": "SHIPPED"})).attempt().await;
}
