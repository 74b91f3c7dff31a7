//! What processes use while a load lasts: processor time and memory, from `/proc`.

mod processes;

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
    /// The same for each answer, in microseconds.
    pub cpu_us_per_answer: f64,
    /// The most memory at once, in MiB; what processes share is counted once.
    pub max_rss_mib: f64,
}

/// The load generators, this program itself, and the constant route where that is what is measured.
pub const GENERATOR: &str = "load generator";

/// What else the machine was busy with. A part of it is the kernel's own work for the others.
pub const ELSEWHERE: &str = "everything else";

/// Names of groups and the processes at the top of each.
pub type Groups = Vec<(&'static str, Vec<u32>)>;

/// Looks at processes until it is asked for the outcome.
#[derive(Debug)]
pub struct Watch {
    groups: Groups,
    begun: Vec<Snapshot>,
    busy: f64,
    most: Arc<Mutex<Vec<f64>>>,
    _watching: DropGuard,
}

impl Watch {
    /// Begins to watch these groups, and the load generators below this program.
    pub fn begin(groups: Groups) -> Self {
        let begun = look_at(&groups);
        let most = Arc::new(Mutex::new(begun.iter().map(|snapshot| snapshot.rss_bytes).collect()));
        let over = CancellationToken::new();
        tokio::spawn(over.clone().run_until_cancelled_owned(look_at_memory(groups.clone(), most.clone())));
        Self { groups, begun, busy: processes::busy_seconds(), most, _watching: over.drop_guard() }
    }

    /// What was used since, for so many answers.
    pub fn end(self, answers: u64) -> Vec<GroupUsage> {
        let used = |name: &str, cpu_seconds: f64, rss_bytes: f64| GroupUsage {
            name: name.to_owned(),
            cpu_seconds,
            cpu_us_per_answer: cpu_seconds * 1e6 / answers.max(1) as f64,
            max_rss_mib: rss_bytes / MIB,
        };
        let now = look_at(&self.groups);
        let most = self.most.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let names = self.groups.iter().map(|(name, _)| *name).chain([GENERATOR]);
        let seen = self.begun.iter().zip(&now).zip(most);
        let mut usage: Vec<GroupUsage> = names
            .zip(seen)
            .map(|(name, ((begun, now), most))| {
                used(name, now.cpu_seconds - begun.cpu_seconds, most.max(now.rss_bytes))
            })
            .collect();
        let known: f64 = usage.iter().map(|group| group.cpu_seconds).sum();
        let cpu_seconds = (processes::busy_seconds() - self.busy - known).max(0.0);
        usage.push(used(ELSEWHERE, cpu_seconds, 0.0));
        usage
    }
}

/// The groups, and behind them the load generators: what is below this program and in no group.
fn look_at(groups: &Groups) -> Vec<Snapshot> {
    let mut seen: Vec<Snapshot> = groups.iter().map(|(_, roots)| of_tree(roots)).collect();
    let own = std::process::id();
    let ours: Vec<u32> = groups.iter().flat_map(|(_, roots)| roots).copied().collect();
    seen.push(processes::of_tree_without(&[own], &ours));
    seen
}

async fn look_at_memory(groups: Groups, most: Arc<Mutex<Vec<f64>>>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let now = look_at(&groups);
        let mut most = most.lock().unwrap_or_else(PoisonError::into_inner);
        most.iter_mut().zip(now).for_each(|(most, now)| *most = most.max(now.rss_bytes));
    }
}
