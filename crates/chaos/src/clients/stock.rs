//! Stock in and out, with a key; what was left open is asked for again until the sum is exact.

use super::{ChaosClient, Settled, Side};
use crate::figures::Kind;
use crate::history::{Outcome, StockChange};
use crate::requests::Request;
use reqwest::Method;
use serde_json::json;

impl ChaosClient {
    pub(super) async fn change_stock(&mut self, product: usize, delta: i64) {
        let (product, key) = (self.products[product].id, self.token());
        let place = self.history.lock().change_stock(product, delta, &key);
        let Settled { answer, unsure } = self.ask_for_stock(product, delta, &key).await;
        let outcome = match answer.map(|answer| answer.status) {
            Some(200) => Outcome::Done,
            // An attempt without an answer may still take the stock out, when there is enough again.
            Some(_) if !unsure => Outcome::Refused,
            Some(_) | None => Outcome::Unknown,
        };
        self.history.lock().stock_changes[place].outcome = outcome;
    }

    async fn ask_for_stock(&mut self, product: i64, delta: i64, key: &str) -> Settled {
        let (kind, verb, expected): (_, _, &[u16]) =
            if delta > 0 { (Kind::Restock, "add-stock", &[200]) } else { (Kind::Reduce, "reduce-stock", &[200, 409]) };
        let body = json!({"quantity": delta.abs(), "reference": key});
        let path = format!("/api/inventory/products/{product}/{verb}");
        let request = Request::with_body(Method::POST, path, &body).keyed(key);
        self.until_definite(kind, Side::Inventory, &request, expected).await
    }
}

/// Asks for every change of stock that is still open once more, now that nothing of the load is under way any more.
pub async fn make_definite(mut client: ChaosClient) {
    let open = |change: &StockChange| change.outcome == Outcome::Unknown;
    let changes = client.history.lock().stock_changes.clone();
    for (place, change) in changes.iter().enumerate().filter(|(_, change)| open(change)) {
        let Settled { answer, .. } = client.ask_for_stock(change.product, change.delta, &change.key).await;
        let Some(answer) = answer else { continue };
        let outcome = if answer.status == 200 { Outcome::Done } else { Outcome::Refused };
        client.history.lock().stock_changes[place].outcome = outcome;
    }
}
