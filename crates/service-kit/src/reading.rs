//! Where lists read: at a replica that knows enough, else at the primary.
//!
//! The call of a list takes a [`Reader`] and reads by [`Database::read`]. Everything else reads by [`Database::pool`] or in a
//! transaction, at the primary: what belongs to a single object, what is locked, and what decides something.

mod connection;
mod history;
mod position;
mod primary;
mod reader;
mod readers;
mod replica;
mod writers;

pub use connection::ReadConnection;
pub use reader::Reader;
pub(crate) use readers::Readers;
pub(crate) use replica::{Replica, watch};

use crate::config::{ConfigError, DatabaseConfig};
use crate::db::Database;
use position::Position;
use std::sync::Arc;
use std::time::Duration;

/// The header by which a write says up to where its client has written, and a read what it has to see.
pub const READ_AFTER: &str = "read-after";

/// What is configured about the replica.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// How old at the most what it shows may be.
    most_lag: Duration,
    /// How long it is waited for a write that the reader has to see.
    wait: Duration,
}

/// Why the primary answers a read in the replica's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PassedOver {
    /// It does not have the reader's own writes yet.
    OwnWrite,
    /// It shows what is older than the bound, or nobody knows how old.
    Behind,
    /// It cannot be reached, or does not answer.
    Away,
    /// It follows no primary any more.
    Promoted,
    /// What it replays was in the way of the read.
    Conflict,
    /// The read failed in another way.
    Failed,
}

impl PassedOver {
    fn name(self) -> &'static str {
        match self {
            Self::OwnWrite => "own_write",
            Self::Behind => "behind",
            Self::Away => "away",
            Self::Promoted => "promoted",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
        }
    }
}

/// The replica, where one is configured. Nothing is connected to yet.
pub(crate) fn replica_of(config: &DatabaseConfig) -> Result<Option<Arc<Replica>>, ConfigError> {
    let Some(options) = config.replica_options()? else { return Ok(None) };
    let limits = Limits { most_lag: config.replica_max_lag(), wait: config.read_after_wait() };
    let replica = Replica::new(options, config.connect_options()?, config.database_max_connections, limits);
    Ok(Some(Arc::new(replica)))
}

impl Database {
    /// Reads what may be as old as the bound (`REPLICA_MAX_LAG_MS`) allows, and is never older than the reader's own writes.
    ///
    /// The work runs at the replica. Where that does not know enough, or the work fails there in whatever way, it runs at the
    /// primary, so it may run twice. It must not write.
    pub async fn read<T, Work>(&self, reader: &Reader, work: impl Fn(ReadConnection) -> Work) -> Result<T, sqlx::Error>
    where
        Work: Future<Output = Result<T, sqlx::Error>>,
    {
        if let Some(replica) = self.replica() {
            match replica.read(reader, &work).await {
                Ok(found) => {
                    metrics::counter!("database_reads_total", "pool" => "replica").increment(1);
                    return Ok(found);
                }
                Err(why) => {
                    let reason = why.name();
                    metrics::counter!("database_replica_passed_over_total", "reason" => reason).increment(1);
                }
            }
        }
        metrics::counter!("database_reads_total", "pool" => "primary").increment(1);
        self.lists().read(self.pool(), work).await
    }

    /// Reads single objects, many in one statement. Lists do not hold this up: their connections are others.
    pub async fn read_batch<T, Work>(&self, work: impl FnOnce(ReadConnection) -> Work) -> Result<T, sqlx::Error>
    where
        Work: Future<Output = Result<T, sqlx::Error>>,
    {
        self.batches().read(self.pool(), work).await
    }
}
