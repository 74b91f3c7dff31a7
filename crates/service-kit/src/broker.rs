//! The connections to RabbitMQ: made anew whenever they break, with the queues that each needs declared each time.

mod encrypted;

use crate::config::{BrokerConfig, ConfigError};
use crate::retries::RetryDelays;
use futures_util::FutureExt;
use http_client::ClientConfig;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, FrameSize, ReplyCode};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use shared_types::topology::{DELIVERY_LIMIT, EXCHANGE, Queue};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long to wait before the next attempt to connect.
pub(crate) const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// How long the broker may take to accept a connection, or to answer on one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What AMQP calls a connection that is closed in order.
const REPLY_SUCCESS: ReplyCode = 200;

/// Longest frame, in bytes. lapin holds 32 of them ready in each direction of each connection; a longer message is sent in
/// several.
const FRAME_MAX: FrameSize = 32 * 1024;

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
    /// Our own work with it panicked.
    #[error("{0}")]
    Panicked(String),
    /// The database takes no writes.
    #[error("the database takes no writes")]
    ReadOnly,
    /// The database, without which messages cannot be worked on.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// How each link fares; nothing until its first attempt has ended.
type Links = BTreeMap<&'static str, Option<Result<(), String>>>;

/// How to reach the broker, and whether it was reached.
#[derive(Clone, Debug)]
pub struct Broker {
    nodes: Arc<[AMQPUri]>,
    tls: Arc<ClientConfig>,
    retry_delays: RetryDelays,
    links: Arc<Mutex<Links>>,
    /// Which node each link asks next.
    turns: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Broker {
    /// Reads the configuration; connects to nothing yet. Each process has the nodes in an order of its own.
    pub fn new(config: &BrokerConfig) -> Result<Self, ConfigError> {
        let mut nodes = config.nodes()?;
        fastrand::shuffle(&mut nodes);
        for node in &mut nodes {
            node.query.frame_max.get_or_insert(FRAME_MAX);
        }
        let (tls, retry_delays) = (Arc::new(config.tls()?), config.retry_delays_ms.clone());
        Ok(Self { nodes: nodes.into(), tls, retry_delays, links: Arc::default(), turns: Arc::default() })
    }

    /// How long a message that failed waits.
    pub(crate) fn retry_delays(&self) -> &RetryDelays {
        &self.retry_delays
    }

    /// The node that a link asks this time: another one than the last time, and links begin with different ones.
    fn next_node(&self, link: &'static str) -> AMQPUri {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let links = turns.len();
        let turn = turns.entry(link).or_insert(links);
        *turn += 1;
        self.nodes[*turn % self.nodes.len()].clone()
    }

    /// Connects to the next node, declares the exchange and these queues, and gives a channel with publisher confirms.
    ///
    /// Who consumes needs its own queue. Who publishes needs all: an event without a queue that wants it would be lost.
    pub(crate) async fn connect(
        &self,
        purpose: &'static str,
        queues: &[Queue],
    ) -> Result<(Link, Channel), BrokerError> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).entry(purpose).or_default();
        let connecting = async {
            let properties = ConnectionProperties::default()
                .with_connection_name(purpose.into())
                .configure_backoff(|backoff| backoff.with_max_times(0));
            let link = Link(open(self.next_node(purpose), self.tls.clone(), properties).await?);
            let channel = link.0.create_channel().await?;
            declare(&channel, queues, self.retry_delays.count()).await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok((link, channel))
        };
        in_time(connecting).await
    }

    /// Notes how one link to the broker fares; says so in the log when it changes, not every time.
    pub(crate) fn report(&self, link: &'static str, outcome: Result<(), String>) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        match (&outcome, links.get(link).and_then(Option::as_ref)) {
            (Ok(()), Some(Ok(()))) | (Err(_), Some(Err(_))) => {}
            (Ok(()), _) => tracing::info!(link, "connected to RabbitMQ"),
            (Err(reason), _) => tracing::warn!(link, reason, "RabbitMQ is not reachable, trying again until it is"),
        }
        links.insert(link, Some(outcome));
    }

    /// Whether every link works. Why one does not is in the log: what a library says of it is not for everybody.
    pub fn status(&self) -> Result<(), String> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links.is_empty() {
            return Err("not connected yet".to_owned());
        }
        match links.iter().find(|(_, link)| !matches!(link, Some(Ok(())))) {
            Some((name, _)) => Err(format!("no connection for {name}")),
            None => Ok(()),
        }
    }
}

/// A connection, which dropping it closes with all of its channels.
///
/// lapin closes one that is dropped as well, but not where an answer is outstanding: whoever gave up on a subscription would
/// still be subscribed when the broker answers at last, and messages that nobody works on would be kept until the process
/// ends.
#[derive(Debug)]
pub(crate) struct Link(Connection);

impl Link {
    /// One more channel.
    pub(crate) async fn open_channel(&self) -> Result<Channel, BrokerError> {
        in_time(async { Ok(self.0.create_channel().await?) }).await
    }

    /// Whether it can be used, as far as is known.
    pub(crate) fn is_up(&self) -> bool {
        self.0.status().connected()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // One poll sends it; nobody waits for the answer.
        let _ = self.0.close(REPLY_SUCCESS, "done".into()).now_or_never();
    }
}

/// A connection to a node, encrypted where its URL asks for that.
async fn open(node: AMQPUri, tls: Arc<ClientConfig>, properties: ConnectionProperties) -> lapin::Result<Connection> {
    match node.scheme {
        AMQPScheme::AMQP => Connection::connect_uri(node, properties).await,
        AMQPScheme::AMQPS => encrypted::open(node, tls, properties).await,
    }
}

/// Delivery limit of a queue in which nothing may get lost: the newest RabbitMQ has a limit where none is named, and
/// older ones know no word for none.
const NO_LIMIT: u32 = 1_000_000;

/// Declares the exchange, these consumers' queues, the delay queues of each, and the queue for what it was handed in vain.
async fn declare(channel: &Channel, queues: &[Queue], delays: usize) -> Result<(), lapin::Error> {
    let exchange = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, exchange, FieldTable::default()).await?;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    for queue in queues {
        let undeliverable = queue.undeliverable();
        let arguments = limited(quorum(), NO_LIMIT);
        channel.queue_declare(undeliverable.as_str().into(), durable, arguments).await?;
        let arguments = limited(passing_on_to(&undeliverable), DELIVERY_LIMIT);
        channel.queue_declare(queue.name.into(), durable, arguments).await?;
        for routing_key in queue.bindings {
            let options = QueueBindOptions::default();
            let arguments = FieldTable::default();
            channel.queue_bind(queue.name.into(), EXCHANGE.into(), (*routing_key).into(), options, arguments).await?;
        }
        // A message expires at the head of a queue only, hence one queue for each delay. How long is said by the
        // message, so that the delays can change while the queues stay as they are.
        for attempt in 1..=delays {
            let name = queue.retry_queue(attempt);
            channel.queue_declare(name.as_str().into(), durable, passing_on_to(queue.name)).await?;
        }
    }
    Ok(())
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

/// A quorum queue whose messages, when they expire or are delivered too often, go to another queue, without loss.
fn passing_on_to(queue: &str) -> FieldTable {
    let mut arguments = quorum();
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
    arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(queue.into()));
    arguments.insert("x-dead-letter-strategy".into(), AMQPValue::LongString("at-least-once".into()));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    arguments
}

fn limited(mut arguments: FieldTable, deliveries: u32) -> FieldTable {
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongUInt(deliveries));
    arguments
}

/// Gives up on work that only waits for the broker. A connection that breaks at a bad moment is not always noticed: what
/// waits for an answer on it would do so for ever.
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, BrokerError>>) -> Result<T, BrokerError> {
    tokio::time::timeout(ANSWER_TIMEOUT, work).await.map_err(|_| BrokerError::Timeout)?
}

/// Publishes one message that survives a restart of the broker; the confirm is the caller's to await.
pub(crate) async fn publish(
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> Result<lapin::PublisherConfirm, lapin::Error> {
    let properties = properties.with_delivery_mode(2);
    channel.basic_publish(exchange.into(), routing_key.into(), BasicPublishOptions::default(), body, properties).await
}
