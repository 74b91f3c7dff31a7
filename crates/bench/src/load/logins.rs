//! People who log in, from many addresses: one network may try only so often.

use super::Answers;
use super::seen::Seen;
use crate::error::{BenchError, Result};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Log-ins from one address. A network may try 30 times a minute.
const FROM_ONE_ADDRESS: u32 = 25;

const PASSWORD: &str = "plum-tractor-violin-9";

/// The next address in 127.0.0.0/8, all of which are this machine's.
static NEXT_ADDRESS: AtomicU32 = AtomicU32::new(0x7f01_0001);

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Customer {
    email: String,
    /// A token of theirs.
    pub token: String,
}

/// Makes accounts in the account-service at this URL, which lets people in at once.
pub async fn register(url: &str, count: usize) -> Result<Vec<Customer>> {
    let (http, url) = (client()?, format!("{url}/api/auth/register"));
    let mut customers = Vec::new();
    for number in 0..count {
        let email = format!("customer{number}@bench.example");
        let body = json!({"email": email, "password": PASSWORD, "name": "Ada Lovelace"});
        let answer = http.post(&url).header("content-type", "application/json").body(body.to_string()).send().await?;
        let text = answer.error_for_status()?.text().await?;
        let made: Value = serde_json::from_str(&text).unwrap_or_default();
        let token = made["accessToken"].as_str().ok_or_else(|| BenchError::unreadable("account-service", &text))?;
        customers.push(Customer { email, token: token.to_owned() });
    }
    Ok(customers)
}

/// Log-ins, as many as the answers allow or so many a second. Each of the customers logs in again and again.
#[derive(Clone, Debug)]
pub struct LogIns {
    /// The URL of account-service without a path.
    pub url: String,
    /// Who logs in. All do at once.
    pub customers: Vec<Customer>,
    /// At the most.
    pub per_second: Option<u32>,
    /// How long, in seconds.
    pub seconds: u32,
}

impl LogIns {
    /// Plays it to its end, which is when the last log-in was answered.
    pub async fn run(&self) -> Result<Answers> {
        let (next, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let mut people = JoinSet::new();
        for customer in self.customers.clone() {
            people.spawn(self.clone().play(customer, next.clone(), started));
        }
        let mut all = Seen::default();
        while let Some(seen) = people.join_next().await {
            all.add(seen??);
        }
        Ok(all.answers(started.elapsed().as_secs_f64()))
    }

    async fn play(self, customer: Customer, next: Arc<AtomicU64>, started: Instant) -> Result<Seen> {
        let url = format!("{}/api/auth/login", self.url);
        let body = json!({"email": customer.email, "password": PASSWORD}).to_string();
        let (mut seen, mut http, mut count) = (Seen::default(), client()?, 0);
        let end = started + Duration::from_secs(self.seconds.into());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let after = |per_second| Duration::from_secs_f64(number as f64 / f64::from(per_second));
            let due = self.per_second.map_or_else(Instant::now, |per_second| started + after(per_second.max(1)));
            if due >= end {
                return Ok(seen);
            }
            sleep_until(due).await;
            if count == FROM_ONE_ADDRESS {
                (http, count) = (client()?, 0);
            }
            count += 1;
            let request = http.post(&url).header("content-type", "application/json").body(body.clone());
            seen.note(due, answered(request).await);
        }
    }
}

/// The status, once the answer was read.
async fn answered(request: reqwest::RequestBuilder) -> Option<StatusCode> {
    let answer = request.send().await.ok()?;
    let status = answer.status();
    answer.bytes().await.ok().map(|_| status)
}

/// A client with an address of its own.
fn client() -> Result<reqwest::Client> {
    let address = Ipv4Addr::from_bits(NEXT_ADDRESS.fetch_add(1, Ordering::Relaxed));
    Ok(http_client::client().local_address(IpAddr::V4(address)).timeout(PATIENCE).build()?)
}
