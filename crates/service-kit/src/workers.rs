//! What runs beside the requests: consumers and jobs, started by each module of a service and ended together.

use crate::admin::Admin;
use crate::broker::Broker;
use crate::consumer::{Consumer, DryRuns, Handler};
use crate::db::Database;
use crate::dead_letters;
use crate::invariants;
use crate::jobs;
use crate::outbox::Outbox;
use crate::partitions::{self, Partitioned, Terms};
use crate::reading;
use crate::relay;
use crate::schema::Schema;
use crate::shutdown::Shutdown;
use shared_types::topology::Queue;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Starts what runs in the background of one service.
#[derive(Debug)]
pub struct Workers {
    database: Database,
    broker: Broker,
    schema: Schema,
    shutdown: Shutdown,
    dry_runs: DryRuns,
}

impl Workers {
    /// Nothing runs yet. `schema` has the inbox, the dead letters and the other tables that the kit brings.
    pub fn new(database: Database, broker: Broker, schema: Schema, shutdown: Shutdown) -> Self {
        Self { database, broker, schema, shutdown, dry_runs: DryRuns::default() }
    }

    /// The same, with consumers on which messages can be tried out.
    #[must_use]
    pub fn with_dry_runs(self, dry_runs: DryRuns) -> Self {
        Self { dry_runs, ..self }
    }

    /// Consumes a queue until the service ends.
    pub fn consume(&self, queue: Queue, handler: impl Handler) {
        // There from the start: an alarm on the first letter needs the value before it.
        metrics::counter!("events_consumed_total", "queue" => queue.name).increment(0);
        metrics::counter!("dead_letters_total", "queue" => queue.name).increment(0);
        metrics::gauge!("dead_letters_waiting", "queue" => queue.name).set(0.0);
        let consumer = Arc::new(Consumer { queue, schema: self.schema, handler });
        self.dry_runs.add(consumer.clone(), self.database.clone());
        self.spawn(consumer.run(self.database.clone(), self.broker.clone(), self.token()));
    }

    /// Runs a job after each `pause` until the service ends.
    pub fn every<Job, Work, E>(&self, name: &'static str, pause: Duration, job: Job)
    where
        Job: Fn() -> Work + Send + 'static,
        Work: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        self.spawn(jobs::every(name, pause, pause, self.token(), job));
    }

    /// Starts what every service has: the relay of its outbox, the jobs of its dead letters, the measuring of both, and
    /// the job that deletes what is kept for a time only.
    pub fn start_kit(&self, outbox: Outbox) {
        self.spawn(dead_letters::jobs::replay_due_letters(self.database.clone(), self.schema, self.token()));
        self.spawn(dead_letters::jobs::count_dead_letters(self.database.clone(), self.schema, self.token()));
        self.spawn(relay::run(self.database.clone(), self.broker.clone(), outbox, self.token()));
        self.spawn(jobs::measure(self.database.clone(), outbox, self.token()));
        self.spawn(jobs::forget_old_rows(self.database.clone(), self.schema, self.token()));
        if let Some(replica) = self.database.replica() {
            self.spawn(reading::watch(replica.clone(), self.token()));
        }
    }

    /// Checks the invariants at once and after each `pause`, for the metrics; without a pause, never.
    pub fn watch_invariants(&self, admin: &Admin, pause: Option<Duration>) {
        if let Some(pause) = pause {
            let (database, invariants) = (self.database.clone(), admin.invariants.clone());
            self.spawn(invariants::watch(database, self.schema, invariants, pause, self.token()));
        }
    }

    /// Adds partitions to tables ahead of what comes, and archives those that have been over for `keep` months, where that is
    /// not 0.
    pub fn keep_partitions(&self, tables: &'static Partitioned, config: &partitions::Config, keep: u16) {
        let terms = Terms { ahead: config.partitions_ahead, keep };
        self.spawn(partitions::keep(self.database.clone(), tables, terms, self.token()));
    }

    /// Runs something of its own kind. It has to end by itself once the token is cancelled.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.shutdown.spawn(work);
    }

    /// Cancelled when the service ends.
    pub fn token(&self) -> CancellationToken {
        self.shutdown.token()
    }
}
