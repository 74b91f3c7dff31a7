//! Holds the two services to each other: every order against its reservation, over HTTP alone, on a live system.

mod amounts;
pub mod api;
mod compare;
mod differences;
mod digest;
mod invariants;
mod kept;
mod key;
mod pages;
mod progress;
pub mod records;
pub mod report;
mod rows;
mod suspects;
mod walk;

pub use api::{Api, VerifyError};
pub use key::{ApiKey, KeyError};
pub use report::{Breach, Report};

use progress::{Tell, telling};
use shared_types::Reference;
use std::time::Duration;
use time::{Date, OffsetDateTime};
use uuid::Uuid;
use walk::Counts;

/// Asks both services what they know of themselves, walks all orders and reservations and compares them.
///
/// Messages are under way and the lists are walked while others write, so what differs is looked at again, item by
/// item, until it agrees or `patience` is over. Only what persists is a breach. Of an order and its reservation 72
/// bytes are kept in memory until both lists are read.
pub async fn run(order_url: &str, inventory_url: &str, patience: Duration) -> Result<Report, VerifyError> {
    run_and_tell(&Api::new(order_url)?, &Api::new(inventory_url)?, Leniency::of(patience), &|_| {}).await
}

/// What is no breach.
#[derive(Clone, Copy, Debug)]
pub struct Leniency {
    /// What differs only for so long.
    pub patience: Duration,
    /// That stock is sold of whose order nothing is known, where it was placed before this day (UTC): its month is archived.
    pub archived_before: Option<Date>,
}

impl Leniency {
    /// Only patience; no month is archived.
    pub fn of(patience: Duration) -> Self {
        Self { patience, archived_before: None }
    }

    /// The first reference of the orders that have to be there: a UUIDv7 begins with its milliseconds.
    fn first_reference(self) -> Reference {
        let milliseconds = self.archived_before.map_or(0, |day| day.midnight().assume_utc().unix_timestamp() * 1000);
        Reference(Uuid::from_u128(u128::from(u64::try_from(milliseconds).unwrap_or_default()) << 80))
    }
}

/// [`run`], which tells every few seconds how far it is.
pub async fn run_and_tell(
    orders: &Api,
    inventory: &Api,
    leniency: Leniency,
    tell: Tell<'_>,
) -> Result<Report, VerifyError> {
    let patience = leniency.patience;
    let asking = async { tokio::try_join!(invariants::ask(orders, patience), invariants::ask(inventory, patience)) };
    let (mut breaches, of_inventory) =
        telling(asking, || "both services check their invariants".to_owned(), tell).await?;
    breaches.extend(of_inventory);

    let counts = Counts::default();
    let (placed, reservations) = telling(walk::both(orders, inventory, &counts), || counts.to_string(), tell).await?;
    let mut report = Report { breaches, orders: placed.len(), reservations: reservations.len(), ..Report::default() };
    let found = differences::find(placed, &reservations, leniency.first_reference(), OffsetDateTime::now_utc());
    drop(reservations);

    report.looked_at_again = found.suspects.len();
    report.breaches.extend(found.twins);
    let again = format!("{} that differed are looked at again", progress::grouped(found.suspects.len()));
    let looking = suspects::look_again(orders, inventory, found.suspects, patience);
    report.breaches.extend(telling(looking, || again.clone(), tell).await?);
    Ok(report)
}
