//! The messages of one queue as batches: whatever has arrived when somebody asks.

use crate::broker::{BrokerError, in_time};
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Messages worked on in one transaction, which may have many events each.
const BATCH: usize = 64;

/// Bytes of the messages of one transaction, beyond which no further one is added.
const BATCH_BYTES: usize = 256 * 1024;

/// Messages the broker sends ahead: the next batch arrives while one is worked on.
const PREFETCH: u16 = 128;

/// How often the broker is asked for a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// What one channel is sent from one queue.
#[derive(Debug)]
pub(crate) struct Deliveries(Consumer);

impl Deliveries {
    /// Begins to consume; each message must be acknowledged.
    pub(crate) async fn of(channel: &Channel, queue: &str) -> Result<Self, BrokerError> {
        set_prefetch(channel).await?;
        let (tag, options) = (Uuid::now_v7().to_string(), BasicConsumeOptions::default());
        let consuming = async {
            Ok(channel.basic_consume(queue.into(), tag.as_str().into(), options, FieldTable::default()).await?)
        };
        in_time(consuming).await.map(Self)
    }

    /// The next messages, at least one; none when the service shuts down.
    pub(crate) async fn next(&mut self, shutdown: &CancellationToken) -> Result<Option<Vec<Delivery>>, BrokerError> {
        let Some(first) = shutdown.run_until_cancelled(self.0.next()).await else { return Ok(None) };
        let mut batch = vec![first.ok_or(BrokerError::Closed)??];
        while !is_full(&batch) {
            match self.0.next().now_or_never() {
                Some(Some(delivery)) => batch.push(delivery?),
                Some(None) => return Err(BrokerError::Closed),
                None => break,
            }
        }
        Ok(Some(batch))
    }
}

/// Whether a batch has as much as is worked on at once; more may be waiting then.
pub(crate) fn is_full(batch: &[Delivery]) -> bool {
    batch.len() >= BATCH || batch.iter().map(|message| message.data.len()).sum::<usize>() >= BATCH_BYTES
}

/// Asks the broker for a sign of life from time to time, until `shutdown`; fails when there is none. Who only waits for
/// messages would not learn that the connection is gone.
pub(crate) async fn watch(channel: &Channel, shutdown: &CancellationToken) -> Result<(), BrokerError> {
    while shutdown.run_until_cancelled(tokio::time::sleep(SIGN_OF_LIFE)).await.is_some() {
        set_prefetch(channel).await?;
    }
    Ok(())
}

async fn set_prefetch(channel: &Channel) -> Result<(), BrokerError> {
    in_time(async { Ok(channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?) }).await
}
