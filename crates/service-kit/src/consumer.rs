//! Consumes a queue: whole batches in one transaction with their inbox rows, acknowledged after the commit.
//!
//! A batch that fails is taken apart, so that a bad message harms only itself: it is tried again after growing
//! delays, and set aside with its reason when that cannot help. While the database is away nothing is given back:
//! the batch in hand waits for it.

use crate::broker::{self, Broker, BrokerError, RECONNECT_PAUSE};
use crate::db::{self, Database};
use crate::inbox::Inbox;
use crate::schema::Schema;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use shared_types::events::{RawEvent, UnreadableEvent};
use shared_types::topology::{Queue, RETRY_DELAYS_MS};
use sqlx::PgConnection;
use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Messages worked on in one transaction.
const BATCH: usize = 128;

/// Messages the broker sends ahead.
const PREFETCH: u16 = 256;

/// Header that counts the attempts a message has had.
const ATTEMPTS: &str = "x-attempts";

/// What becomes of a message whose handling failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It is done with all the same.
    Ack,
    /// Later it may succeed.
    Retry,
    /// It can never succeed.
    DeadLetter,
}

/// An error of a handler, which knows what becomes of the message.
pub trait HandlerError: std::fmt::Display + From<UnreadableEvent> + From<sqlx::Error> + Send {
    /// What becomes of the message.
    fn decision(&self) -> Decision;

    /// Whether the database was away, which is no message's fault.
    fn is_unavailable(&self) -> bool;
}

/// What a consumer does with its events, in the transaction it is given; each event comes once.
pub trait Handler: Send + Sync + 'static {
    /// The service's error.
    type Error: HandlerError;

    /// Works on the events in the order they came.
    fn handle(
        &self,
        conn: &mut PgConnection,
        events: &[RawEvent],
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// One queue, the service it belongs to, and where its tables are.
#[derive(Clone, Debug)]
pub struct Consumer<H> {
    /// The queue.
    pub queue: Queue,
    /// Schema of the inbox and the dead letters.
    pub schema: Schema,
    /// What to do with the events.
    pub handler: H,
}

impl<H: Handler> Consumer<H> {
    /// Runs until `shutdown`, across every loss of the broker and of the database.
    pub async fn run(self, database: Database, broker: Broker, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.consume(&database, &broker, &shutdown).await {
                broker.report(self.queue.name, Err(error.to_string()));
            }
            shutdown.run_until_cancelled(tokio::time::sleep(RECONNECT_PAUSE)).await;
        }
    }

    async fn consume(
        &self,
        database: &Database,
        broker: &Broker,
        shutdown: &CancellationToken,
    ) -> Result<(), BrokerError> {
        let (_connection, channel) = broker.connect(self.queue.name).await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let tag = Uuid::now_v7().to_string();
        let name = self.queue.name;
        let mut deliveries = channel.basic_consume(name.into(), tag.into(), options, FieldTable::default()).await?;
        broker.report(name, Ok(()));
        while let Some(first) = shutdown.run_until_cancelled(deliveries.next()).await {
            let mut batch = vec![first.ok_or(BrokerError::Closed)??];
            while batch.len() < BATCH {
                match deliveries.next().now_or_never() {
                    Some(Some(delivery)) => batch.push(delivery?),
                    Some(None) => return Err(BrokerError::Closed),
                    None => break,
                }
            }
            self.settle(database, &channel, &batch, shutdown).await?;
        }
        Ok(())
    }

    /// Brings a batch to its end: each message's effect is committed, or its retry is confirmed by the broker, or
    /// it is set aside; only then is it acknowledged.
    async fn settle(
        &self,
        database: &Database,
        channel: &Channel,
        batch: &[Delivery],
        shutdown: &CancellationToken,
    ) -> Result<(), BrokerError> {
        if self.attempt(database, batch, shutdown).await.is_ok_and(|outcome| outcome.is_ok()) {
            if let Some(last) = batch.last() {
                last.acker.ack(BasicAckOptions { multiple: true }).await?;
            }
            return Ok(());
        }
        for message in batch {
            let one = std::slice::from_ref(message);
            if let Err(error) = self.attempt(database, one, shutdown).await? {
                self.put_off(database, channel, message, &error).await?;
            }
            message.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(())
    }

    /// One transaction over the batch; waits for the database as long as that is what is missing.
    async fn attempt(
        &self,
        database: &Database,
        batch: &[Delivery],
        shutdown: &CancellationToken,
    ) -> Result<Result<(), H::Error>, BrokerError> {
        let mut said = false;
        loop {
            match self.transaction(database, batch).await {
                Err(error) if error.is_unavailable() => {
                    if !said {
                        tracing::warn!(queue = self.queue.name, %error, "messages wait for the database");
                        said = true;
                    }
                    let pause = tokio::time::sleep(RECONNECT_PAUSE);
                    if shutdown.run_until_cancelled(pause).await.is_none() {
                        return Err(BrokerError::Closed);
                    }
                }
                outcome => return Ok(outcome),
            }
        }
    }

    async fn transaction(&self, database: &Database, batch: &[Delivery]) -> Result<(), H::Error> {
        let mut events =
            batch.iter().map(|message| RawEvent::parse(&message.data)).collect::<Result<Vec<_>, UnreadableEvent>>()?;
        let mut transaction = database.begin().await?;
        let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
        let fresh = Inbox(self.schema).claim(&mut transaction, self.queue.name, &ids).await?;
        let mut seen = HashSet::new();
        events.retain(|event| fresh.contains(&event.id) && seen.insert(event.id));
        self.handler.handle(&mut transaction, &events).await?;
        database.commit(transaction).await?;
        metrics::counter!("events_consumed_total", "queue" => self.queue.name).increment(events.len() as u64);
        Ok(())
    }

    /// Sends a message that failed to its delay queue, or sets it aside.
    async fn put_off(
        &self,
        database: &Database,
        channel: &Channel,
        message: &Delivery,
        error: &H::Error,
    ) -> Result<(), BrokerError> {
        let attempts = attempts(message).saturating_add(1);
        let delay = usize::try_from(attempts - 1).ok().and_then(|index| RETRY_DELAYS_MS.get(index));
        match (error.decision(), delay) {
            (Decision::Ack, _) => Ok(()),
            (Decision::Retry, Some(delay)) => {
                tracing::warn!(queue = self.queue.name, attempts, %error, "message will be tried again");
                let mut headers = message.properties.headers().clone().unwrap_or_default();
                headers.insert(ATTEMPTS.into(), AMQPValue::LongUInt(attempts));
                let properties = BasicProperties::default().with_headers(headers);
                let queue = self.queue.retry_queue(*delay);
                let confirm = broker::publish(channel, "", &queue, &message.data, properties).await?;
                let confirm = tokio::time::timeout(Duration::from_secs(10), confirm);
                if confirm.await.map_err(|_| BrokerError::Timeout)??.is_nack() {
                    return Err(BrokerError::Refused);
                }
                Ok(())
            }
            (Decision::Retry | Decision::DeadLetter, _) => {
                tracing::error!(queue = self.queue.name, attempts, %error, "message is set aside as a dead letter");
                metrics::counter!("dead_letters_total", "queue" => self.queue.name).increment(1);
                self.set_aside(database, message, &error.to_string(), attempts).await
            }
        }
    }

    async fn set_aside(
        &self,
        database: &Database,
        message: &Delivery,
        reason: &str,
        attempts: u32,
    ) -> Result<(), BrokerError> {
        // Its envelope may be readable although its data is newer than what is known here.
        let event = serde_json::from_slice::<RawEvent>(&message.data).ok();
        let event_type = event.as_ref().map_or(message.routing_key.as_str(), |event| &event.event_type);
        let statement = "INSERT INTO {schema}.dead_letters (consumer, event_id, event_type, body, reason, attempts)
                         VALUES ($1, $2, $3, $4, $5, $6)";
        sqlx::query(self.schema.sql(statement))
            .bind(self.queue.name)
            .bind(event.as_ref().map(|event| event.id))
            .bind(event_type)
            .bind(&message.data)
            .bind(reason)
            .bind(i32::try_from(attempts).unwrap_or(i32::MAX))
            .execute(database.pool())
            .await?;
        Ok(())
    }
}

fn attempts(message: &Delivery) -> u32 {
    let headers = message.properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get(ATTEMPTS)) {
        Some(AMQPValue::LongUInt(attempts)) => *attempts,
        _ => 0,
    }
}

/// The [`Decision`] for a database error: what the database may accept later is tried again.
pub fn decide_database_error(error: &sqlx::Error) -> Decision {
    match error {
        sqlx::Error::Database(_) if !db::is_unavailable(error) && !db::is_conflict(error) => Decision::DeadLetter,
        _ => Decision::Retry,
    }
}
