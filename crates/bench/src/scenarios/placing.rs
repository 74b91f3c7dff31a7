//! Placing orders as fast as a number of connections allows, and counting what is left of it.

use crate::error::{BenchError, Result};
use crate::load::Answers;
use crate::load::requests::{self, Orders, Way};
use crate::load::wrk::Wrk;
use crate::measure::measure;
use crate::shop::Shop;
use crate::turns::Counted;
use crate::warm_up_of;
use std::future::Future;
use std::path::PathBuf;

/// A load of orders.
#[derive(Clone, Debug)]
pub struct Placing<'a> {
    /// What it is called.
    pub name: &'a str,
    pub orders: Orders,
    /// How they are asked for.
    pub way: Way,
    pub connections: u32,
    /// How long it is measured, in seconds.
    pub seconds: u32,
}

impl Placing<'_> {
    /// Warms up and measures; also what is wrong with the number of orders that are there afterwards.
    pub async fn run(&self, shop: &Shop<'_>) -> Result<Counted> {
        let warm_up = self.load(shop, warm_up_of(self.seconds))?;
        let load = self.load(shop, self.seconds)?;
        counted(shop, self.name, self.connections, warm_up.run(), load.run()).await
    }

    /// The load itself, for so many seconds.
    pub fn load<'s>(&'s self, shop: &'s Shop<'_>, seconds: u32) -> Result<Wrk<'s>> {
        let requests = requests::write_posts(&folder_of(shop)?, "/api/orders", &self.orders.bodies())?;
        let (url, connections) = (shop.order_url(0), self.connections);
        Ok(Wrk { url, method: "POST", requests, way: self.way, token: None, first: 0, connections, seconds })
    }
}

/// Warms up, measures, and holds the orders that are there afterwards against those that were answered.
pub async fn counted(
    shop: &Shop<'_>,
    name: &str,
    connections: u32,
    warm_up: impl Future<Output = Result<Answers>>,
    load: impl Future<Output = Result<Answers>>,
) -> Result<Counted> {
    // Only the new ones are looked at: a count of millions would drive the pages that are worked on out of the memory
    // of PostgreSQL.
    let last = shop.database.number("SELECT COALESCE(max(id), 0) FROM orders.orders").await?;
    let warm_up = warm_up.await?;
    let load = measure(shop, name, load).await?;
    shop.quiet().await?;
    let written = shop.database.number(&format!("SELECT count(*) FROM orders.orders WHERE id > {last}")).await?;
    let mut wrong = miscounted(connections, &[&warm_up, &load.answers], written);
    wrong.extend(unconfirmed(shop, last).await?);
    Ok((load, wrong))
}

/// There is stock for everything and nobody cancels: once all is quiet, every order after this one is CONFIRMED.
pub async fn unconfirmed(shop: &Shop<'_>, last: f64) -> Result<Option<String>> {
    let sql = format!("SELECT count(*) FROM orders.orders WHERE id > {last} AND status <> 'CONFIRMED'");
    let count = shop.database.number(&sql).await?;
    Ok((count > 0.0).then(|| format!("{count} orders are not CONFIRMED")))
}

/// The folder for the requests of a scenario.
pub fn folder_of(shop: &Shop<'_>) -> Result<PathBuf> {
    let folder = shop.stage.run_dir.join("requests").join(shop.database.name());
    std::fs::create_dir_all(&folder).map_err(BenchError::file(&folder))?;
    Ok(folder)
}

/// Whether as many orders were written as were answered. The last request of each connection may have been served
/// after its generator had gone.
pub fn miscounted(connections: u32, loads: &[&Answers], written: f64) -> Vec<String> {
    let answered: u64 = loads.iter().map(|answers| answers.requests - answers.refused.min(answers.requests)).sum();
    let unanswered: u64 = loads.iter().map(|answers| answers.unanswered).sum();
    let at_the_most = answered + unanswered + u64::from(connections) * loads.len() as u64;
    if (answered as f64..=at_the_most as f64).contains(&written) {
        return Vec::new();
    }
    vec![format!("{answered} orders were answered (at the most {at_the_most} made), {written} were written")]
}

#[cfg(test)]
mod tests {
    use super::miscounted;
    use crate::load::Answers;

    #[test]
    fn only_the_last_request_of_each_connection_may_be_missed() {
        let load = Answers { requests: 100, ..Answers::default() };
        assert!(miscounted(4, &[&load], 100.0).is_empty());
        assert!(miscounted(4, &[&load], 104.0).is_empty());
        assert_eq!(miscounted(4, &[&load], 105.0).len(), 1);
        assert_eq!(miscounted(4, &[&load], 99.0).len(), 1);
    }

    #[test]
    fn refused_orders_are_not_written() {
        let load = Answers { requests: 100, refused: 10, ..Answers::default() };
        assert!(miscounted(1, &[&load], 90.0).is_empty());
    }
}
