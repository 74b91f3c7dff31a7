//! Clients at work behind the gateway, none of which may notice that instances change.

use e2e::client::Client;
use e2e::poll;
use e2e::samples::{KEYBOARD, MOUSE, STOCK, order, text};
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::task::JoinHandle;

/// Clients that make one call after the other, each of which must be answered with one status. None brings an
/// `Idempotency-Key`: what is repeated would be seen twice.
pub struct Clients {
    stop: Arc<AtomicBool>,
    all: Vec<(&'static str, Arc<AtomicUsize>, JoinHandle<()>)>,
}

impl Clients {
    /// Clients of all services, which call the gateway.
    pub async fn of(shop: &Shop, client: &Client) -> Self {
        let ada = shop.register("ada@example.com").await;
        let admin = shop.signer().await.token(json!({"roles": ["ADMIN"]}));
        let add = |product: i64| format!("/api/inventory/products/{product}/add-stock");
        shop.inventory().post(&add(MOUSE), json!({"quantity": 1_000_000})).await.is(200);
        let (adas, admins) = (ada.calls(client), client.with_token(&admin));
        let address = json!({"name": "Ada Lovelace", "lines": ["12 St James's Square"], "city": "London", "postcode": "SW1Y 4JH", "country": "GB"});
        let made = adas.post("/api/accounts/me/addresses", address.clone()).await.is(201).json();
        let address_path = format!("/api/accounts/me/addresses/{}", text(&made["id"]));

        let mut clients = Self { stop: Arc::default(), all: Vec::new() };
        let place = Some(order(&[(MOUSE, 1)]));
        clients.add("an order", adas.clone(), Method::POST, "/api/orders".to_owned(), place.clone(), 201);
        clients.add("another order", adas.clone(), Method::POST, "/api/orders".to_owned(), place, 201);
        let one = Some(json!({"quantity": 1}));
        clients.add("stock", admins.clone(), Method::POST, add(KEYBOARD), one, 200);
        clients.add("a list", adas.clone(), Method::GET, "/api/orders?limit=1".to_owned(), None, 200);
        clients.add("a product", client.clone(), Method::GET, format!("/api/inventory/products/{MOUSE}"), None, 200);
        clients.add("an address", adas, Method::PUT, address_path, Some(address), 200);
        clients
    }

    fn add(&mut self, what: &'static str, client: Client, method: Method, path: String, body: Option<Value>, is: u16) {
        let (stop, answered) = (Arc::clone(&self.stop), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&answered);
        let task = tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let call = client.call(method.clone(), &path);
                let call = if let Some(body) = &body { call.json(body.clone()) } else { call };
                call.await.is(is);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        self.all.push((what, answered, task));
    }

    /// Waits until each has got some more answers.
    pub async fn are_served(&self) {
        for (what, answered, task) in &self.all {
            let wanted = answered.load(Ordering::Relaxed) + 10;
            poll::eventually(&format!("{what} to be served"), async || {
                assert!(!task.is_finished(), "{what} has failed");
                let now = answered.load(Ordering::Relaxed);
                if now >= wanted { Ok(()) } else { Err(format!("{now} of {wanted}")) }
            })
            .await;
        }
    }

    /// How many answers each has got in the end.
    async fn counts(self) -> Vec<i64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut counts = Vec::new();
        for (what, answered, task) in self.all {
            task.await.unwrap_or_else(|error| panic!("{what}: {error}"));
            counts.push(answered.load(Ordering::Relaxed) as i64);
        }
        counts
    }

    /// Ends them. What they were told is there, once.
    pub async fn end(self, shop: &Shop) {
        let counts = self.counts().await;
        assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, counts[0] + counts[1]);
        assert_eq!(shop.database.stock(KEYBOARD).await, STOCK[KEYBOARD as usize - 1] + counts[2]);
    }
}
