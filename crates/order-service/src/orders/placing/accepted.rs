//! EDGE: places the orders that were accepted with `Prefer: respond-async`, and tries again where it must.
//!
//! Two workers on one order at once do no harm: its reference holds its stock once, and the second to write finds it
//! placed.

use crate::failure_point;
use crate::orders::commands::place_accepted::{self, Attempt, AttemptCounts, StockAnswer};
use crate::orders::domain::Explanation;
use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::orders::store::accepted::{self, DueOrder, QUEUE, Queued};
use service_kit::access::Scope;
use service_kit::batcher::Blame;
use service_kit::fault::Fault;
use service_kit::work_queue::{Claimed, TIME_TO_RECORD, WorkQueue};
use shared_types::OrderId;
use shared_types::reservations::ReservationRequest;
use std::slice;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// Orders placed in one go.
const BATCH: usize = 128;

/// How often to look for what is due, or was accepted by another instance.
const POLL: Duration = Duration::from_millis(250);

/// Runs until `shutdown`. What is in hand then is finished.
pub async fn run(orders: Arc<Orders>, shutdown: CancellationToken) {
    let patience = orders.config.inventory_timeout();
    let queue = WorkQueue {
        name: "accepted orders",
        table: QUEUE,
        database: orders.db.clone(),
        batch: BATCH,
        at_once: 1,
        claimed: BATCH,
        patience,
        lease: patience + TIME_TO_RECORD,
        poll: POLL,
        woken: orders.accepted.clone(),
        circuit: None,
    };
    let attempt = move |claimed: Vec<Claimed<Queued>>| {
        let orders = orders.clone();
        async move { place(&orders, claimed).await }
    };
    queue.run(attempt, shutdown).await;
}

async fn place(orders: &Orders, claimed: Vec<Claimed<Queued>>) -> Result<(), Error> {
    let due = accepted::due(orders.db.pool(), claimed).await?;
    failure_point::reached("accepted-before-reserve").await;
    let tried = reserve_each(orders, &due).await;
    failure_point::reached("accepted-after-reserve").await;
    write_each(orders, &tried).await
}

/// Asks for the stock of all in one call, or of each alone where that call as a whole is refused.
async fn reserve_each(orders: &Orders, due: &[DueOrder]) -> Vec<Attempt> {
    match reserve(orders, due).await {
        Ok(tried) => tried,
        Err(error) if due.len() == 1 || error.blame() == Blame::Everybody => {
            due.iter().map(|order| failed(order.id, &error)).collect()
        }
        Err(_) => {
            let mut tried = Vec::with_capacity(due.len());
            for order in due {
                match reserve(orders, slice::from_ref(order)).await {
                    Ok(one) => tried.extend(one),
                    Err(error) => tried.push(failed(order.id, &error)),
                }
            }
            tried
        }
    }
}

async fn reserve(orders: &Orders, due: &[DueOrder]) -> Result<Vec<Attempt>, Error> {
    let requests = due.iter().map(|order| ReservationRequest { id: order.reference, items: order.lines.clone() });
    let causes = due.iter().map(|order| order.traceparent.as_deref());
    let reservations = orders.inventory.reserve(requests.collect(), causes).await?;
    let tried = due.iter().zip(reservations).map(|(order, reservation)| match reservation {
        Ok(reservation) => Attempt { id: order.id, outcome: StockAnswer::Reserved(reservation) },
        Err(error) => failed(order.id, &error),
    });
    Ok(tried.collect())
}

/// What an error comes to: a rule that says no will say so again, anything else may pass.
fn failed(id: OrderId, error: &Error) -> Attempt {
    let problem = error.problem();
    let refused =
        |sorry: &str| StockAnswer::Refused(Explanation::new(sorry, format!("{}: {}", problem.title, problem.detail)));
    let outcome = match error {
        Error::InsufficientStock { .. } => refused("We are sorry: we do not have enough of what you ordered."),
        Error::UnknownProduct(_) => refused("We are sorry: something you ordered is not sold any more."),
        Error::Fault(Fault::KeyReused) => refused("We are sorry: your order could not be placed."),
        _ if problem.status == 500 => {
            tracing::error!(order = %id, %error, "an accepted order cannot be placed, will be tried again");
            StockAnswer::Unavailable("an unexpected error occurred".to_owned())
        }
        _ => StockAnswer::Unavailable(problem.detail),
    };
    Attempt { id, outcome }
}

/// Writes what came of all in one transaction, or of each alone where that fails.
async fn write_each(orders: &Orders, tried: &[Attempt]) -> Result<(), Error> {
    match write(orders, tried).await {
        Err(error) if error.blame() != Blame::Everybody => {
            for one in tried {
                if let Err(error) = write(orders, slice::from_ref(one)).await {
                    write(orders, &[failed(one.id, &error)]).await?;
                }
            }
            Ok(())
        }
        outcome => outcome,
    }
}

async fn write(orders: &Orders, tried: &[Attempt]) -> Result<(), Error> {
    let mut transaction = orders.db.begin().await?;
    let count =
        place_accepted::place_accepted(&mut transaction, OffsetDateTime::now_utc(), Scope::system(), tried).await?;
    failure_point::reached("accepted-before-commit").await;
    orders.db.commit(transaction).await?;
    let AttemptCounts { placed, refused, given_up, retried } = count;
    for (outcome, count) in [("placed", placed), ("refused", refused), ("given_up", given_up), ("retried", retried)] {
        metrics::counter!("async_placements_total", "outcome" => outcome).increment(count as u64);
    }
    Ok(())
}
