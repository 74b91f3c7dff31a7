//! Order-service died with many reservations in its hands: how soon all of their stock is back.

use super::finish;
use crate::Bench;
use crate::error::{BenchError, Result};
use crate::figures::{Figure, Goal};
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Reservations that nobody writes an order for.
const ABANDONED: usize = 10_000;

/// Most reservations in one call.
const BATCH: usize = 250;

/// The minute that is promised.
const PROMISED_SECONDS: f64 = 60.0;

const PAUSE: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(300);

/// From the moment a reservation was made to the moment it was settled, at the most.
const LONGEST_HELD: &str = "SELECT COALESCE(max(extract(epoch FROM updated_at - created_at)), 0)
    FROM inventory.reservations WHERE status = 'RELEASED'";

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    // A short run tries only that it works.
    let short = [("RESERVATION_WINDOW_SECONDS", "5"), ("SETTLE_INTERVAL_SECONDS", "1")];
    let (settings, abandoned) = if bench.settings.smoke { (&short[..], BATCH * 2) } else { (&[][..], ABANDONED) };
    let shop = Shop::open_with(&bench.stage, "settling", settings).await?;
    let mut outcome = ScenarioReport::of(Scenario::Settling);
    for _ in 0..abandoned / BATCH {
        hold(bench, &shop).await?;
    }
    let began = Instant::now();
    while shop.database.number("SELECT count(*) FROM inventory.reservations WHERE status = 'HELD'").await? > 0.0 {
        if began.elapsed() > LIMIT {
            return Err(BenchError::GaveUp("abandoned reservations are still held after five minutes".to_owned()));
        }
        tokio::time::sleep(PAUSE).await;
    }
    let released =
        shop.database.number("SELECT count(*) FROM inventory.reservations WHERE status = 'RELEASED'").await?;
    if released != abandoned as f64 {
        outcome.wrong.push(format!("{released} of {abandoned} reservations were released"));
    }
    let longest =
        Figure::new("an abandoned reservation held for at most", shop.database.number(LONGEST_HELD).await?, "s");
    outcome.figures.push(Figure::new("abandoned reservations", released, ""));
    outcome.figures.push(longest.wanted(Goal::AtMost(PROMISED_SECONDS)));
    finish(bench, shop, outcome).await
}

/// Holds stock as order-service does, in one call.
async fn hold(bench: &Bench, shop: &Shop<'_>) -> Result<()> {
    let request = |_| json!({"id": Uuid::now_v7(), "items": [{"productId": 1, "quantity": 1}]});
    let requests: Vec<Value> = (0..BATCH).map(request).collect();
    let url = format!("{}/api/inventory/reservations/batch", shop.inventory_url(0));
    let call = bench.stage.http.post(url).header("content-type", "application/json");
    let answer = call.body(json!({"reservations": requests}).to_string()).send().await?.error_for_status()?;
    let outcomes: Value = answer.json().await?;
    let held = outcomes.as_array().into_iter().flatten().filter(|outcome| outcome["status"] == 201).count();
    if held == BATCH { Ok(()) } else { Err(BenchError::GaveUp(format!("{held} of {BATCH} reservations were made"))) }
}
