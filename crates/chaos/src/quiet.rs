//! Waiting until nothing is under way any more: no order, no message, no money, no stock that is held.

use crate::books::Books;
use crate::error::ChaosError;
use crate::schedule::PAIRS;
use crate::stage::Stage;
use serde::Deserialize;
use serde_json::Value;
use shared_types::topology::QUEUES;
use std::time::{Duration, Instant};
use verify::Api;

/// How long it may take after the last fault.
const LIMIT: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(500);

/// The broker's statistics are up to 5 s old: what is seen must still be so after that.
const HOLDS_FOR: Duration = Duration::from_secs(6);

#[derive(Deserialize)]
struct QueueStatistics {
    name: String,
    messages: Option<u64>,
    consumers: Option<usize>,
}

/// Waits until it is quiet; gives how long that took, or what was still under way when patience was over.
pub async fn wait(stage: &Stage) -> Result<Duration, String> {
    let started = Instant::now();
    let mut quiet_since = None;
    loop {
        // Whoever cannot answer yet is not quiet yet.
        let unrest = unrest(stage).await.unwrap_or_else(|error| vec![error.to_string()]);
        if unrest.is_empty() {
            let since = *quiet_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= HOLDS_FOR {
                return Ok(since - started);
            }
        } else {
            quiet_since = None;
            if started.elapsed() >= LIMIT {
                return Err(format!("not quiet after {} s: {}", LIMIT.as_secs(), unrest.join("; ")));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is still under way, in words.
async fn unrest(stage: &Stage) -> Result<Vec<String>, ChaosError> {
    let (orders, inventory) = (Api::new(&stage.orders[0].base)?, Api::new(&stage.inventory[0].base)?);
    let mut found = Vec::new();
    let pending: Vec<Value> = orders.get("/api/orders/status/PENDING?limit=200").await?;
    if !pending.is_empty() {
        let ids: Vec<String> = pending.iter().take(5).map(|order| order["id"].to_string()).collect();
        found.push(format!("{} orders are PENDING, such as {}", pending.len(), ids.join(", ")));
    }
    let held: Vec<Value> = inventory.get("/api/inventory/reservations?status=HELD&limit=200").await?;
    if !held.is_empty() {
        let ids: Vec<String> = held.iter().take(5).map(|reservation| reservation["id"].to_string()).collect();
        found.push(format!("{} reservations are HELD, such as {}", held.len(), ids.join(", ")));
    }
    let outboxes = stage.sql(
        "SELECT (SELECT count(*) FROM orders.outbox), (SELECT count(*) FROM inventory.outbox),
                (SELECT count(*) FROM accounts.outbox)",
    );
    match outboxes.await?.as_str() {
        "0|0|0" => {}
        counts => found.push(format!("the outboxes (orders|inventory|accounts) have {counts} events")),
    }
    found.extend(Books::read(stage).await?.unrest());
    let url = format!("{}/api/queues", stage.management_url);
    let queues = stage.http().get(url).send().await.map_err(ChaosError::Management)?;
    let queues: Vec<QueueStatistics> = queues.json().await.map_err(ChaosError::Management)?;
    // What the listener has not heard yet is waited for as well.
    let busy = queues.iter().filter(|queue| queue.messages != Some(0));
    let named = |queue: &QueueStatistics| match queue.messages {
        Some(messages) => format!("{} has {messages} messages", queue.name),
        None => format!("{} has no statistics yet", queue.name),
    };
    found.extend(busy.map(named));
    // A consumer that did not notice the loss of its connection is not missed as long as others take its work.
    let of_services = queues.iter().filter(|queue| QUEUES.iter().any(|it| it.name == queue.name));
    let deserted = of_services.filter(|queue| queue.consumers != Some(PAIRS));
    found.extend(deserted.map(|queue| format!("{} has {:?} consumers of {PAIRS}", queue.name, queue.consumers)));
    Ok(found)
}
