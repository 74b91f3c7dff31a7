//! The connection to RabbitMQ: made anew whenever it breaks, with the whole topology declared each time.

use crate::config::{BrokerConfig, ConfigError};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use secrecy::{ExposeSecret, SecretString};
use shared_types::topology::{EXCHANGE, QUEUES, RETRY_DELAYS_MS};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long to wait before the next attempt to connect.
pub(crate) const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// How long the broker may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the broker could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Refused, or broken off.
    #[error(transparent)]
    Amqp(#[from] lapin::Error),
    /// It did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// It ended the stream of messages.
    #[error("the broker closed the channel")]
    Closed,
    /// It refused to take a message.
    #[error("the broker refused a message")]
    Refused,
    /// The database, without which messages cannot be worked on.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// How to reach the broker, and whether it was reached.
#[derive(Clone, Debug)]
pub struct Broker {
    url: SecretString,
    links: Arc<Mutex<BTreeMap<&'static str, Result<(), String>>>>,
}

impl Broker {
    /// Reads the configuration; connects to nothing yet.
    pub fn new(config: &BrokerConfig) -> Result<Self, ConfigError> {
        Ok(Self { url: config.url()?, links: Arc::default() })
    }

    /// Connects, declares the topology and gives a channel with publisher confirms.
    pub(crate) async fn connect(&self, purpose: &'static str) -> Result<(Connection, Channel), BrokerError> {
        let connecting = async {
            let properties = ConnectionProperties::default()
                .with_connection_name(purpose.into())
                .configure_backoff(|backoff| backoff.with_max_times(0));
            let connection = Connection::connect(self.url.expose_secret(), properties).await?;
            let channel = connection.create_channel().await?;
            declare_topology(&channel).await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok((connection, channel))
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| BrokerError::Timeout)?
    }

    /// Notes how one link to the broker fares; says so in the log when it changes, not every time.
    pub(crate) fn report(&self, link: &'static str, outcome: Result<(), String>) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        match (&outcome, links.get(link)) {
            (Ok(()), Some(Ok(()))) | (Err(_), Some(Err(_))) => {}
            (Ok(()), _) => tracing::info!(link, "connected to RabbitMQ"),
            (Err(reason), _) => tracing::warn!(link, reason, "RabbitMQ is not reachable, trying again until it is"),
        }
        links.insert(link, outcome);
    }

    /// Whether every link works; else why not.
    pub fn status(&self) -> Result<(), String> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links.is_empty() {
            return Err("not connected yet".to_owned());
        }
        links.values().find_map(|link| link.as_ref().err().cloned()).map_or(Ok(()), Err)
    }
}

/// Declares the exchange, every consumer's queue and the delay queues of each.
async fn declare_topology(channel: &Channel) -> Result<(), lapin::Error> {
    let exchange = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, exchange, FieldTable::default()).await?;
    for queue in &QUEUES {
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(queue.name.into(), durable, quorum()).await?;
        for routing_key in queue.bindings {
            let options = QueueBindOptions::default();
            let arguments = FieldTable::default();
            channel.queue_bind(queue.name.into(), EXCHANGE.into(), (*routing_key).into(), options, arguments).await?;
        }
        for delay in RETRY_DELAYS_MS {
            // A TTL expires at the head of a queue only, hence one queue for each delay; from there the message
            // goes back to its consumer's queue through the default exchange.
            let mut arguments = quorum();
            arguments.insert("x-message-ttl".into(), AMQPValue::LongUInt(delay));
            arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
            arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(queue.name.into()));
            arguments.insert("x-dead-letter-strategy".into(), AMQPValue::LongString("at-least-once".into()));
            arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
            channel.queue_declare(queue.retry_queue(delay).into(), durable, arguments).await?;
        }
    }
    Ok(())
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

/// Publishes one message that survives a restart of the broker; the confirm is the caller's to await.
pub(crate) async fn publish(
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> Result<lapin::PublisherConfirm, lapin::Error> {
    let properties = properties.with_delivery_mode(2).with_content_type("application/cloudevents+json".into());
    channel.basic_publish(exchange.into(), routing_key.into(), BasicPublishOptions::default(), body, properties).await
}
