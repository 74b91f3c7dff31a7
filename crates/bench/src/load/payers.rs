//! Customers who place an order and pay it by card, one after the other on each connection.

use super::Answers;
use super::seen::Seen;
use crate::error::Result;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Orders, and their payments where they are paid: as many as the answers allow, or so many a second. What is counted is an order
/// with its payment.
#[derive(Clone, Debug)]
pub struct Payers {
    /// The URL of order-service without a path.
    pub url: String,
    /// The orders, in turn.
    pub bodies: Arc<Vec<String>>,
    /// Whether they are paid.
    pub pays: bool,
    /// Customers at the same time.
    pub connections: u32,
    /// At the most.
    pub per_second: Option<u32>,
    /// How long, in seconds.
    pub seconds: u32,
}

impl Payers {
    /// These orders; with `pays`, each to be paid by card.
    pub fn bodies(orders: &[String], pays: bool) -> Arc<Vec<String>> {
        let body = |text: &String| {
            let mut order: Value = serde_json::from_str(text).unwrap_or_default();
            if pays {
                order["payment"] = json!({"method": "CARD"});
            }
            order.to_string()
        };
        Arc::new(orders.iter().map(body).collect())
    }

    /// Plays it to its end, which is when the last customer is done.
    pub async fn run(&self) -> Result<Answers> {
        let http = http_client::client().pool_max_idle_per_host(self.connections as usize).timeout(PATIENCE).build()?;
        let (next, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let mut customers = JoinSet::new();
        for _ in 0..self.connections {
            customers.spawn(self.clone().play(http.clone(), next.clone(), started));
        }
        let mut all = Seen::default();
        while let Some(seen) = customers.join_next().await {
            all.add(seen?);
        }
        Ok(all.answers(started.elapsed().as_secs_f64()))
    }

    async fn play(self, http: Client, next: Arc<AtomicU64>, started: Instant) -> Seen {
        let mut seen = Seen::default();
        let end = started + Duration::from_secs(self.seconds.into());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let after = |per_second: u32| Duration::from_secs_f64(number as f64 / f64::from(per_second.max(1)));
            let due = self.per_second.map_or_else(Instant::now, |per_second| started + after(per_second));
            if due >= end {
                return seen;
            }
            sleep_until(due).await;
            let body = self.bodies[number as usize % self.bodies.len()].clone();
            seen.note(due, self.order(&http, body).await);
        }
    }

    /// The status of the last call; the payment counts as refused unless it has its money.
    async fn order(&self, http: &Client, body: String) -> Option<StatusCode> {
        let (status, placed) = post(http, format!("{}/api/orders", self.url), body).await?;
        if !self.pays || !status.is_success() {
            return Some(status);
        }
        let token = json!({"method": "CARD", "token": "pm_card_visa"}).to_string();
        let (status, paid) = post(http, format!("{}/api/orders/{}/payments", self.url, placed["id"]), token).await?;
        Some(if status.is_success() && paid["status"] != "CAPTURED" { StatusCode::ACCEPTED } else { status })
    }
}

async fn post(http: &Client, url: String, body: String) -> Option<(StatusCode, Value)> {
    let answer = http.post(url).header("content-type", "application/json").body(body).send().await.ok()?;
    let status = answer.status();
    let text = answer.text().await.ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or_default()))
}
