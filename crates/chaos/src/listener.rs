//! A consumer of its own on a queue of its own, which hears every event there is.

use crate::error::ChaosError;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde::Deserialize;
use shared_types::event_batches::split;
use shared_types::topology::EXCHANGE;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The listener's queue.
pub const QUEUE: &str = "chaos.listener";

const PREFETCH: u16 = 200;

const RECONNECT_PAUSE: Duration = Duration::from_millis(300);

/// How long declaring and subscribing may take, and how long a connection may say nothing before it is made anew: one
/// that breaks off at the wrong moment is not always noticed.
const LIMIT: Duration = Duration::from_secs(5);

/// An event as it was heard first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeardEvent {
    pub event_type: String,
    /// What it is about.
    pub subject: String,
}

/// Every event in the order of first arrival.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub events: Vec<HeardEvent>,
    pub arrivals: u64,
    /// Messages that are no events.
    pub unreadable: Vec<String>,
    seen: HashSet<String>,
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: String,
}

impl Heard {
    /// Takes a message in, which may hold many events.
    pub fn hear(&mut self, message: &[u8]) {
        split(message).into_iter().for_each(|event| self.hear_event(event));
    }

    /// A copy of an event that was heard before changes nothing.
    fn hear_event(&mut self, body: &[u8]) {
        self.arrivals += 1;
        match serde_json::from_slice::<Envelope>(body) {
            Ok(event) => {
                if self.seen.insert(event.id) {
                    self.events.push(HeardEvent { event_type: event.event_type, subject: event.subject });
                }
            }
            Err(error) => self.unreadable.push(format!("{error}: {}", String::from_utf8_lossy(body))),
        }
    }
}

/// The listener at work.
#[derive(Debug)]
pub struct Listener {
    heard: Arc<Mutex<Heard>>,
    over: CancellationToken,
}

impl Listener {
    /// Declares exchange and queue, so that nothing is published before it is there, and listens from then on. Of several
    /// nodes, with commas between their URLs, it asks one after the other.
    pub async fn start(urls: &str) -> Result<Self, ChaosError> {
        let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
        drop(declare(&urls[0]).await?);
        let (heard, over) = (Arc::new(Mutex::new(Heard::default())), CancellationToken::new());
        let (ears, end) = (heard.clone(), over.clone());
        tokio::spawn(async move {
            let mut urls = urls.iter().cycle();
            while let Some(url) = urls.next().filter(|_| !end.is_cancelled()) {
                // Whatever ends the connection, what was not acknowledged comes again.
                let _ = end.run_until_cancelled(listen(url, &ears)).await;
                end.run_until_cancelled(tokio::time::sleep(RECONNECT_PAUSE)).await;
            }
        });
        Ok(Self { heard, over })
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// A connection that dropping it closes, also while an answer is outstanding.
struct Link(Connection);

impl Drop for Link {
    fn drop(&mut self) {
        // One poll sends it; nobody waits for the answer.
        let _ = self.0.close(200, "done".into()).now_or_never();
    }
}

async fn declare(url: &str) -> Result<(Link, Channel), lapin::Error> {
    let properties = ConnectionProperties::default()
        .with_connection_name("chaos listener".into())
        .configure_backoff(|backoff| backoff.with_max_times(0));
    let link = Link(Connection::connect(url, properties).await?);
    let channel = link.0.create_channel().await?;
    let exchange = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, exchange, FieldTable::default()).await?;
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    // A connection that was given up here may live on at the broker for a moment: what it is handed would be heard late.
    quorum.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(QUEUE.into(), durable, quorum).await?;
    let everything = "#".into();
    let arguments = FieldTable::default();
    channel.queue_bind(QUEUE.into(), EXCHANGE.into(), everything, QueueBindOptions::default(), arguments).await?;
    Ok((link, channel))
}

/// Listens until the connection breaks, or says nothing for a while.
async fn listen(url: &str, heard: &Mutex<Heard>) -> Result<(), lapin::Error> {
    let Ok(subscribed) = timeout(LIMIT, subscribe(url)).await else { return Ok(()) };
    let (_link, mut deliveries) = subscribed?;
    while let Ok(Some(delivery)) = timeout(LIMIT, deliveries.next()).await {
        let delivery = delivery?;
        heard.lock().unwrap_or_else(PoisonError::into_inner).hear(&delivery.data);
        let Ok(acknowledged) = timeout(LIMIT, delivery.acker.ack(BasicAckOptions::default())).await else { break };
        acknowledged?;
    }
    Ok(())
}

async fn subscribe(url: &str) -> Result<(Link, Consumer), lapin::Error> {
    let (link, channel) = declare(url).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let deliveries = channel.basic_consume(QUEUE.into(), "chaos".into(), options, arguments).await?;
    Ok((link, deliveries))
}

#[cfg(test)]
mod tests {
    use super::Heard;

    #[test]
    fn the_first_arrival_counts() {
        let mut heard = Heard::default();
        for id in ["1", "2", "1"] {
            heard.hear(format!(r#"{{"id":"{id}","type":"order.created","subject":"s{id}","data":{{}}}}"#).as_bytes());
        }
        heard.hear(
            br#"[{"id":"2","type":"order.created","subject":"s2"},{"id":"3","type":"order.created","subject":"s3"}]"#,
        );
        heard.hear(b"nonsense");
        let subjects: Vec<&str> = heard.events.iter().map(|event| event.subject.as_str()).collect();
        assert_eq!((subjects, heard.arrivals, heard.unreadable.len()), (vec!["s1", "s2", "s3"], 6, 1));
    }
}
