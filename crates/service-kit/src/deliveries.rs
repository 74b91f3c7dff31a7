//! The messages of one queue as batches: whatever has arrived when somebody asks.

use crate::broker::BrokerError;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Messages worked on in one transaction.
const BATCH: usize = 128;

/// Messages the broker sends ahead.
const PREFETCH: u16 = 256;

/// What one channel is sent from one queue.
#[derive(Debug)]
pub(crate) struct Deliveries(Consumer);

impl Deliveries {
    /// Begins to consume; each message must be acknowledged.
    pub(crate) async fn of(channel: &Channel, queue: &str) -> Result<Self, BrokerError> {
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let (tag, options) = (Uuid::now_v7().to_string(), BasicConsumeOptions::default());
        Ok(Self(channel.basic_consume(queue.into(), tag.as_str().into(), options, FieldTable::default()).await?))
    }

    /// The next messages, at least one; none when the service shuts down.
    pub(crate) async fn next(&mut self, shutdown: &CancellationToken) -> Result<Option<Vec<Delivery>>, BrokerError> {
        let Some(first) = shutdown.run_until_cancelled(self.0.next()).await else { return Ok(None) };
        let mut batch = vec![first.ok_or(BrokerError::Closed)??];
        while batch.len() < BATCH {
            match self.0.next().now_or_never() {
                Some(Some(delivery)) => batch.push(delivery?),
                Some(None) => return Err(BrokerError::Closed),
                None => break,
            }
        }
        Ok(Some(batch))
    }
}
