//! What processes use while a load lasts: processor time and memory, from `/proc`.

mod processes;

use crate::error::Result;
use crate::shop::Shop;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use processes::{Snapshot, of_tree};

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(500);

const MIB: f64 = 1024.0 * 1024.0;

/// Processes that belong together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupUsage {
    /// As people call it.
    pub name: String,
    /// Seconds of processor time during the load.
    pub cpu_seconds: f64,
    /// The most memory at once, in MiB; what processes share is counted once.
    pub max_rss_mib: f64,
}

/// Looks at the processes of a shop until it is asked for the outcome.
#[derive(Debug)]
pub struct Watch {
    groups: Vec<(&'static str, Vec<u32>)>,
    begun: Vec<Snapshot>,
    generator: f64,
    most: Arc<Mutex<Vec<f64>>>,
    _watching: DropGuard,
}

impl Watch {
    /// Begins to watch.
    pub fn begin(shop: &Shop<'_>) -> Result<Self> {
        let server = |process: Option<xtask::process::Identity>| process.map(|it| it.pid).into_iter().collect();
        let groups: Vec<(&'static str, Vec<u32>)> = vec![
            ("order-service", shop.orders.iter().filter_map(|service| service.pid()).collect()),
            ("inventory-service", shop.inventory.iter().filter_map(|service| service.pid()).collect()),
            ("PostgreSQL", server(shop.stage.postgres.process()?)),
            ("RabbitMQ", server(shop.stage.rabbitmq.process()?)),
        ];
        let begun: Vec<Snapshot> = groups.iter().map(|(_, roots)| of_tree(roots)).collect();
        let most = Arc::new(Mutex::new(begun.iter().map(|snapshot| snapshot.rss_bytes).collect()));
        let over = CancellationToken::new();
        tokio::spawn(over.clone().run_until_cancelled_owned(look_at_memory(groups.clone(), most.clone())));
        Ok(Self { groups, begun, generator: processes::of_ended_children(), most, _watching: over.drop_guard() })
    }

    /// What was used since.
    pub fn end(self) -> Vec<GroupUsage> {
        let most = self.most.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let named = self.groups.iter().zip(&self.begun).zip(most);
        let mut usage: Vec<GroupUsage> = named
            .map(|(((name, roots), begun), most)| {
                let now = of_tree(roots);
                let cpu_seconds = now.cpu_seconds - begun.cpu_seconds;
                GroupUsage { name: (*name).to_owned(), cpu_seconds, max_rss_mib: most.max(now.rss_bytes) / MIB }
            })
            .collect();
        // The generators are children of ours that have ended, the services are such that have not.
        let cpu_seconds = processes::of_ended_children() - self.generator;
        usage.push(GroupUsage { name: "load generator".to_owned(), cpu_seconds, max_rss_mib: 0.0 });
        usage
    }
}

async fn look_at_memory(groups: Vec<(&'static str, Vec<u32>)>, most: Arc<Mutex<Vec<f64>>>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let now: Vec<f64> = groups.iter().map(|(_, roots)| of_tree(roots).rss_bytes).collect();
        let mut most = most.lock().unwrap_or_else(PoisonError::into_inner);
        most.iter_mut().zip(now).for_each(|(most, now)| *most = most.max(now));
    }
}
