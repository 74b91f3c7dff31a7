//! A virtual host of its own for each test while it runs, and a hand in its exchange: publish, listen, look into queues.
//!
//! Everything goes over RabbitMQ's management API, so that the tests share no code with the services.

use crate::client::Client;
use crate::{poll, virtual_hosts};
use serde_json::{Value, json};
use shared_types::event_batches::split;
use shared_types::topology::EXCHANGE;
use testbed::rabbitmq::virtual_host;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// A virtual host without a message.
#[derive(Debug)]
pub struct TestBroker {
    management: Client,
    vhost: String,
    url: String,
}

/// An event as the exchange had it, on its own or in a message with others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The routing key of its message.
    pub routing_key: String,
    /// Its JSON, as it came.
    pub body: String,
    /// The headers of its message.
    pub headers: Value,
}

impl Heard {
    /// The CloudEvent.
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

impl TestBroker {
    /// Makes a virtual host on the server with this AMQP and this management URL.
    pub fn create(amqp_url: &str, management_url: &str) -> Self {
        let vhost = format!("e2e-{}", Uuid::now_v7().simple());
        let url = virtual_host::make(amqp_url, management_url, &vhost).unwrap_or_else(|error| panic!("{error}"));
        Self { management: Client::new(management_url), vhost, url }
    }

    /// Takes one of a test that ended, with the queues of the services; makes one where there is none.
    pub async fn take(amqp_url: &str, management_url: &str) -> Self {
        let management = Client::new(management_url);
        match virtual_hosts::take(amqp_url, &management).await {
            Some(vhost) => Self { url: virtual_host::url(amqp_url, &vhost), management, vhost },
            None => Self::create(amqp_url, management_url),
        }
    }

    /// What the services connect to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Publishes a body to the exchange of all events.
    pub async fn publish(&self, routing_key: &str, body: &str) {
        self.publish_to(EXCHANGE, routing_key, body).await;
    }

    /// Puts a body into one queue.
    pub async fn send(&self, queue: &str, body: &str) {
        self.publish_to("amq.default", queue, body).await;
    }

    /// Puts bytes, written in base64, into one queue.
    pub async fn send_base64(&self, queue: &str, body: &str) {
        self.publish_encoded("amq.default", queue, body, "base64").await;
    }

    async fn publish_to(&self, exchange: &str, routing_key: &str, body: &str) {
        self.publish_encoded(exchange, routing_key, body, "string").await;
    }

    async fn publish_encoded(&self, exchange: &str, routing_key: &str, body: &str, encoding: &str) {
        let message = json!({
            "properties": {"delivery_mode": 2},
            "routing_key": routing_key, "payload": body, "payload_encoding": encoding,
        });
        let path = format!("/api/exchanges/{}/{exchange}/publish", self.vhost);
        let answer = self.management.post(&path, message).await.is(200).json();
        assert_eq!(answer["routed"], true, "nobody wants {routing_key}");
    }

    /// Listens, from now on, to every event that is published.
    pub async fn tap(&self) -> Tap<'_> {
        let queue = format!("tap-{}", Uuid::now_v7().simple());
        self.management.put(&format!("/api/queues/{}/{queue}", self.vhost), json!({"durable": true})).await.is(201);
        let binding = format!("/api/bindings/{}/e/{EXCHANGE}/q/{queue}", self.vhost);
        self.management.post(&binding, json!({"routing_key": "#"})).await.is(201);
        Tap { broker: self, queue, heard: Vec::new() }
    }

    /// A queue for every event published from now on that refuses messages as long as this; gives its name.
    pub async fn short_of_space(&self, bytes: usize) -> String {
        let queue = format!("short-{}", Uuid::now_v7().simple());
        let arguments = json!({"x-max-length-bytes": bytes, "x-overflow": "reject-publish"});
        let path = format!("/api/queues/{}/{queue}", self.vhost);
        self.management.put(&path, json!({"durable": true, "arguments": arguments})).await.is(201);
        let binding = format!("/api/bindings/{}/e/{EXCHANGE}/q/{queue}", self.vhost);
        self.management.post(&binding, json!({"routing_key": "#"})).await.is(201);
        queue
    }

    /// Deletes a queue with what is in it.
    pub async fn delete(&self, queue: &str) {
        self.management.delete(&format!("/api/queues/{}/{queue}", self.vhost)).await.is(204);
    }

    /// Keeps events of this type from a queue, from now on.
    pub async fn unbind(&self, queue: &str, routing_key: &str) {
        let path = format!("/api/bindings/{}/e/{EXCHANGE}/q/{queue}/{routing_key}", self.vhost);
        self.management.delete(&path).await.is(204);
    }

    /// Looks at the messages that wait in a queue; they stay there.
    pub async fn peek(&self, queue: &str) -> Vec<Value> {
        self.get(queue, 1000, "ack_requeue_true").await
    }

    /// Takes the first message of a queue and gives it back unacknowledged; gives whether there was one.
    pub async fn hand_back(&self, queue: &str) -> bool {
        !self.get(queue, 1, "reject_requeue_true").await.is_empty()
    }

    async fn get(&self, queue: &str, count: u32, ackmode: &str) -> Vec<Value> {
        let path = format!("/api/queues/{}/{queue}/get", self.vhost);
        self.management
            .post(&path, json!({"count": count, "ackmode": ackmode, "encoding": "auto"}))
            .await
            .is(200)
            .array()
    }

    /// Whether there is such a queue.
    pub async fn has(&self, queue: &str) -> bool {
        self.management.get(&format!("/api/queues/{}/{queue}", self.vhost)).await.status == 200
    }

    /// Messages in a queue, waiting or handed out, as the statistics last had it.
    pub async fn depth(&self, queue: &str) -> Option<u64> {
        let path = format!("/api/queues/{}/{queue}", self.vhost);
        self.management.get(&path).await.is(200).json()["messages"].as_u64()
    }

    /// Waits until a queue is empty.
    pub async fn drained(&self, queue: &str) {
        poll::eventually(&format!("{queue} to be empty"), async || match self.depth(queue).await {
            Some(0) => Ok(()),
            depth => Err(format!("{depth:?} messages")),
        })
        .await;
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        virtual_hosts::give_back(&self.management, &self.vhost);
    }
}

/// Everything published since it was made, in the order of publication.
#[derive(Debug)]
pub struct Tap<'a> {
    broker: &'a TestBroker,
    queue: String,
    heard: Vec<Heard>,
}

impl Tap<'_> {
    /// Waits until `count` events with this routing key were heard; gives all of those.
    pub async fn heard(&mut self, routing_key: &str, count: usize) -> Vec<Heard> {
        let (broker, queue) = (self.broker, &self.queue);
        let mut heard = std::mem::take(&mut self.heard);
        let wanted = poll::eventually(&format!("{count} events {routing_key}"), async || {
            for message in broker.get(queue, 1000, "ack_requeue_false").await {
                let routing_key = message["routing_key"].as_str().unwrap_or_default();
                heard.extend(split(message["payload"].as_str().unwrap_or_default().as_bytes()).into_iter().map(
                    |event| Heard {
                        routing_key: routing_key.to_owned(),
                        body: String::from_utf8_lossy(event).into_owned(),
                        headers: message["properties"]["headers"].clone(),
                    },
                ));
            }
            let wanted: Vec<Heard> = heard.iter().filter(|m| m.routing_key == routing_key).cloned().collect();
            if wanted.len() >= count { Ok(wanted) } else { Err(format!("heard so far: {heard:?}")) }
        })
        .await;
        self.heard = heard;
        wanted
    }

    /// Everything heard so far.
    pub fn all(&self) -> &[Heard] {
        &self.heard
    }
}

/// A CloudEvent as the services write them, with an id of its own.
pub fn event(event_type: &str, subject: &str, data: Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": Uuid::now_v7(),
        "source": "/e2e",
        "type": event_type,
        "subject": subject,
        "time": OffsetDateTime::now_utc().format(&Rfc3339).expect("a time"),
        "datacontenttype": "application/json",
        "dataversion": 1,
        "data": data,
    })
}
