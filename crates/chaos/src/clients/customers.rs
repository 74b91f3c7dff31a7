//! Customers with accounts: each places, reads and cancels its own orders with its token, and gets nothing of others.

use super::{ChaosClient, Person, Side};
use crate::figures::Kind;
use crate::history::Placed;
use crate::operations::{self, CustomerOperation};
use crate::requests::{Request, Verdict};
use reqwest::Method;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use verify::records::Order;

/// Pages about accounts, looked at in turn.
const PAGES: [&str; 8] = [
    "/api/accounts/me",
    "/api/accounts/me/addresses",
    "/api/api-keys",
    "/api/auth/sessions",
    "/.well-known/jwks.json",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/health/live",
];

/// The page that is looked at next.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Others' orders are tried while they are young.
const LATEST: usize = 12;

impl ChaosClient {
    /// Works through its stream of choices until it is stopped.
    pub async fn run_as_customer(mut self, seed: u64) {
        let mut rng = operations::stream(seed, self.number);
        loop {
            let (operation, think) = operations::next_of_customer(&mut rng);
            if self.stop.run_until_cancelled(tokio::time::sleep(think)).await.is_none() {
                return;
            }
            self.renew().await;
            match operation {
                CustomerOperation::Place(lines, manner) => {
                    self.place_keyed(&lines, false, manner, think.as_millis().is_multiple_of(4), false).await;
                }
                CustomerOperation::Read { pick } => self.read(pick).await,
                CustomerOperation::List => self.list_own().await,
                CustomerOperation::Cancel { pick } => self.cancel(pick).await,
                CustomerOperation::Charge { pick, way } => self.charge(pick, way).await,
                CustomerOperation::Foreign { pick } => self.try_anothers(pick).await,
                CustomerOperation::Refresh => self.refresh().await,
                CustomerOperation::LogOut => self.log_out().await,
                CustomerOperation::Look => self.look().await,
            }
        }
    }

    /// Its orders are in its list, and nobody else's are.
    async fn list_own(&mut self) {
        let Some(own) = self.person.as_ref().map(|person| person.id().to_owned()) else { return };
        let request = Request::get("/api/orders?limit=20".to_owned());
        let Verdict::Definite(answer) = self.attempt(Kind::Read, Side::Orders, &request, &[200]).await else { return };
        let listed: Vec<Order> = match serde_json::from_str(&answer.text) {
            Ok(listed) => listed,
            Err(error) => return self.history.lock().found(format!("a list of orders cannot be read: {error}")),
        };
        let foreign = listed.iter().filter(|order| order.customer_id.as_ref() != Some(&own));
        let foreign: Vec<i64> = foreign.map(|order| order.id).collect();
        if !foreign.is_empty() {
            self.history.lock().found(format!("{own} was shown the orders {foreign:?} of others"));
        }
        let missing = self.known.last().filter(|order| listed.iter().all(|listed| listed.id != order.id));
        if let Some(order) = missing {
            self.history.lock().found(format!("order {} is not in the list of {own}", order.id));
        }
    }

    /// Somebody else's order is as one that is not there.
    async fn try_anothers(&mut self, pick: usize) {
        let Some(order) = self.anothers_order(pick) else { return };
        if pick.is_multiple_of(3) {
            let key = self.token();
            let request = Request::with_body(Method::POST, format!("/api/orders/{order}/cancel"), &json!({}));
            self.until_definite(Kind::Foreign, Side::Orders, &request.keyed(&key), &[404]).await;
        } else {
            let request = Request::get(format!("/api/orders/{order}"));
            self.attempt(Kind::Foreign, Side::Orders, &request, &[404]).await;
        }
    }

    fn anothers_order(&self, pick: usize) -> Option<i64> {
        let own = self.person.as_ref().map(Person::id);
        let history = self.history.lock();
        let others = history.placements.iter().rev().filter(|placement| placement.owner.as_deref() != own);
        let orders = others.filter_map(|placement| match &placement.outcome {
            Placed::Answered(answered) => Some(answered.order.id),
            Placed::Refused | Placed::Unknown => None,
        });
        let latest: Vec<i64> = orders.take(LATEST).collect();
        latest.get(pick % latest.len().max(1)).copied()
    }

    async fn look(&mut self) {
        let path = PAGES[NEXT.fetch_add(1, Relaxed) % PAGES.len()];
        let request = Request::get(path.to_owned());
        let verdict = self.attempt(Kind::Account, Side::Accounts, &request, &[200]).await;
        let (Verdict::Definite(answer), Some(person)) = (verdict, &self.person) else { return };
        if path == "/api/accounts/me" && !answer.text.contains(person.id()) {
            self.history.lock().found(format!("{} was shown another account: {}", person.id(), answer.text));
        }
    }
}
