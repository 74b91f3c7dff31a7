//! Stock in and out, with a key; what was left open is asked for again until the sum is exact.

use super::{ChaosClient, Settled, Side};
use crate::figures::Kind;
use crate::history::{ChangeSeen, StockChange};
use crate::operations::Manner;
use crate::requests::Request;
use reqwest::Method;
use serde_json::json;

impl ChaosClient {
    pub(super) async fn change_stock(&mut self, product: usize, delta: i64, manner: Manner, repeat: bool) {
        let (product, key) = (self.products[product].id, self.token());
        let place = self.history.lock().change_stock(product, delta, &key);
        let asked = Asked::new(product, delta, &key);
        let settled = self.in_manner(manner, asked.kind, Side::Inventory, &asked.request, asked.expected).await;
        let Settled { answer: Some(answer), unsure } = settled else { return };
        let outcome = match answer.status {
            200 => ChangeSeen::Done,
            // An attempt without an answer may still take the stock out, when there is enough again.
            _ if unsure => ChangeSeen::Unknown,
            _ => ChangeSeen::Refused,
        };
        self.history.lock().stock_changes[place].outcome = outcome;
        if repeat && outcome == ChangeSeen::Done {
            self.repeat(Side::Inventory, &asked.request, &answer).await;
        }
    }
}

/// A change of stock as it is asked for.
struct Asked {
    kind: Kind,
    request: Request,
    expected: &'static [u16],
}

impl Asked {
    fn new(product: i64, delta: i64, key: &str) -> Self {
        let (kind, verb, expected): (_, _, &[u16]) =
            if delta > 0 { (Kind::Restock, "add-stock", &[200]) } else { (Kind::Reduce, "reduce-stock", &[200, 409]) };
        let body = json!({"quantity": delta.abs(), "reference": key});
        let path = format!("/api/inventory/products/{product}/{verb}");
        Self { kind, request: Request::with_body(Method::POST, path, &body).keyed(key), expected }
    }
}

/// Asks for every change of stock that is still open once more, now that nothing of the load is under way any more.
pub async fn make_definite(mut client: ChaosClient) {
    let open = |change: &StockChange| change.outcome == ChangeSeen::Unknown;
    let changes = client.history.lock().stock_changes.clone();
    for (place, change) in changes.iter().enumerate().filter(|(_, change)| open(change)) {
        let Asked { kind, request, expected } = Asked::new(change.product, change.delta, &change.key);
        let settled = client.until_definite(kind, Side::Inventory, &request, expected).await;
        let Some(answer) = settled.answer else { continue };
        let outcome = if answer.status == 200 { ChangeSeen::Done } else { ChangeSeen::Refused };
        client.history.lock().stock_changes[place].outcome = outcome;
    }
}
