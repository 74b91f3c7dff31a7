//! Holds the two services to each other: every order against its reservation, over HTTP alone, on a live system.

pub mod api;
mod compare;
mod invariants;
pub mod records;
pub mod report;
mod suspects;

pub use api::{Api, VerifyError};
pub use report::{Breach, Report};

use std::collections::HashMap;
use std::time::Duration;

/// Asks both services what they know of themselves, walks all orders and reservations and compares them.
///
/// Messages are under way and the lists are walked while others write, so what differs is looked at again, item by
/// item, until it agrees or `patience` is over. Only what persists is a breach.
pub async fn run(order_url: &str, inventory_url: &str, patience: Duration) -> Result<Report, VerifyError> {
    let (orders, inventory) = (Api::new(order_url)?, Api::new(inventory_url)?);
    let mut report = Report::default();
    for service in [&orders, &inventory] {
        report.breaches.extend(invariants::ask(service, patience).await?);
    }
    let reservations: Vec<records::Reservation> = inventory.list("/api/inventory/reservations").await?;
    let placed: Vec<records::Order> = orders.list("/api/orders").await?;
    (report.orders, report.reservations) = (placed.len(), reservations.len());

    let mut pairs: HashMap<String, suspects::Pair> = HashMap::new();
    for reservation in reservations {
        let pair = pairs.entry(reservation.id.clone()).or_default();
        pair.reservation = Some(reservation);
    }
    for order in placed {
        let pair = pairs.entry(order.reference.clone()).or_default();
        pair.order = Some(order);
    }
    pairs.retain(|_, pair| !pair.breaches().is_empty());
    report.looked_at_again = pairs.len();
    report.breaches.extend(suspects::look_again(&orders, &inventory, pairs, patience).await?);
    Ok(report)
}
