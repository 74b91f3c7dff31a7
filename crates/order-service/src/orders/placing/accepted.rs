//! EDGE: places the orders that were accepted with `Prefer: respond-async`, and tries again where it must.
//!
//! An order is claimed for a time, in a transaction of its own, before inventory-service is asked; what came of it is
//! written in a second one. Whoever dies in between leaves an order that is due again when the claim has run out. Two
//! that work on one order at once do no harm: its reference holds its stock once, and the second to write finds it
//! placed.

use crate::orders::commands::place_accepted::{self, Count, Outcome, Tried};
use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::orders::store::accepted::{self, Due};
use service_kit::batcher::Blame;
use service_kit::fault::Fault;
use service_kit::panics::caught;
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

/// How much longer than a call to inventory-service a claim lasts: time to write what came of it.
const TIME_TO_WRITE: Duration = Duration::from_secs(3);

/// Runs until `shutdown`. What is in hand then is finished.
pub async fn run(orders: Arc<Orders>, shutdown: CancellationToken) {
    let lease = orders.config.inventory_timeout() + TIME_TO_WRITE;
    let mut failing = false;
    while !shutdown.is_cancelled() {
        match caught(place_due(&orders, lease)).await.and_then(|outcome| outcome.map_err(|error| error.to_string())) {
            Ok(placed) => {
                if failing {
                    tracing::info!("accepted orders are placed again");
                }
                failing = false;
                if placed == BATCH {
                    continue;
                }
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "accepted orders cannot be placed, will be tried again");
                }
                failing = true;
            }
        }
        let woken = tokio::time::timeout(POLL, orders.accepted.notified());
        // Running into the time-out is the normal case of an idle service.
        let _ = shutdown.run_until_cancelled(woken).await;
    }
}

/// Places what is due, at the most [`BATCH`] orders; gives how many it was.
async fn place_due(orders: &Orders, lease: Duration) -> Result<usize, Error> {
    let mut transaction = orders.db.begin().await?;
    let due = accepted::claim(&mut transaction, BATCH as i64, lease).await?;
    if due.is_empty() {
        return Ok(0);
    }
    orders.db.commit(transaction).await?;
    write_each(orders, &reserve_each(orders, &due).await).await?;
    Ok(due.len())
}

/// Asks for the stock of all in one call, or of each alone where that call as a whole is refused.
async fn reserve_each(orders: &Orders, due: &[Due]) -> Vec<Tried> {
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

async fn reserve(orders: &Orders, due: &[Due]) -> Result<Vec<Tried>, Error> {
    let requests = due.iter().map(|order| ReservationRequest { id: order.reference, items: order.lines.clone() });
    let traceparent = due.first().and_then(|order| order.traceparent.as_deref());
    let reservations = orders.inventory.reserve(requests.collect(), traceparent).await?;
    let tried = due.iter().zip(reservations).map(|(order, reservation)| match reservation {
        Ok(reservation) => Tried { id: order.id, outcome: Outcome::Held(reservation) },
        Err(error) => failed(order.id, &error),
    });
    Ok(tried.collect())
}

/// What an error comes to: a rule that says no will say so again, anything else may pass.
fn failed(id: OrderId, error: &Error) -> Tried {
    let problem = error.problem();
    let outcome = match error {
        Error::InsufficientStock { .. } | Error::UnknownProduct(_) | Error::Fault(Fault::KeyReused) => {
            Outcome::Refused(format!("{}: {}", problem.title, problem.detail))
        }
        _ if problem.status == 500 => {
            tracing::error!(order = %id, %error, "an accepted order cannot be placed, will be tried again");
            Outcome::Unavailable("an unexpected error occurred".to_owned())
        }
        _ => Outcome::Unavailable(problem.detail),
    };
    Tried { id, outcome }
}

/// Writes what came of all in one transaction, or of each alone where that fails.
async fn write_each(orders: &Orders, tried: &[Tried]) -> Result<(), Error> {
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

async fn write(orders: &Orders, tried: &[Tried]) -> Result<(), Error> {
    let mut transaction = orders.db.begin().await?;
    let count = place_accepted::place_accepted(&mut transaction, OffsetDateTime::now_utc(), tried).await?;
    orders.db.commit(transaction).await?;
    let Count { placed, refused, given_up, retried } = count;
    for (outcome, count) in [("placed", placed), ("refused", refused), ("given_up", given_up), ("retried", retried)] {
        metrics::counter!("async_placements_total", "outcome" => outcome).increment(count as u64);
    }
    Ok(())
}
