//! A stand-in for Brevo's SMS API: holds every request against what Brevo has published, keeps it, and answers as told.
//!
//! <https://developers.brevo.com/reference/send-async-transactional-sms>

use crate::mail_server::lock;
use crate::poll;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What the stand-in answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// 201 with a message id.
    Taken,
    /// This status with these headers and Brevo's kind of error.
    Refused(u16, Vec<(&'static str, String)>, &'static str),
    /// Nothing, though the request was read and, for Brevo, taken.
    Silence,
}

/// A running stand-in. Ends when dropped.
#[derive(Debug)]
pub struct Brevo {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    key: String,
    answer: Mutex<Answer>,
    taken: Mutex<Vec<Value>>,
    asked: Mutex<Vec<Value>>,
    breaches: Mutex<Vec<String>>,
    id: AtomicI64,
}

impl Brevo {
    /// A stand-in that knows this API key.
    pub async fn start(key: &str) -> Self {
        let shared = Arc::new(Shared {
            key: key.to_owned(),
            answer: Mutex::new(Answer::Taken),
            taken: Mutex::default(),
            asked: Mutex::default(),
            breaches: Mutex::default(),
            id: AtomicI64::new(1_511_882_900_176_220),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        #[expect(clippy::disallowed_methods, reason = "a stand-in knows no callers")]
        let routes = Router::new().route("/v3/transactionalSMS/send", post(send)).with_state(Arc::clone(&shared));
        let running = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("a server");
        });
        Self { address, shared, running }
    }

    /// For `BREVO_SMS_URL`.
    pub fn url(&self) -> String {
        format!("http://{}/v3/transactionalSMS/send", self.address)
    }

    /// Answers like this from now on.
    pub fn answer(&self, answer: Answer) {
        *lock(&self.shared.answer) = answer;
    }

    /// The bodies of the requests that were answered with 201, each with its `messageId`.
    pub fn taken(&self) -> Vec<Value> {
        lock(&self.shared.taken).clone()
    }

    /// How many requests there were, however they were answered.
    pub fn asked(&self) -> usize {
        lock(&self.shared.asked).len()
    }

    /// Waits for this many SMS; gives them.
    pub async fn takes(&self, count: usize) -> Vec<Value> {
        poll::eventually(&format!("{count} SMS"), async || match self.taken() {
            taken if taken.len() >= count => Ok(taken),
            taken => Err(format!("{taken:?}, breaches: {:?}", lock(&self.shared.breaches))),
        })
        .await
    }

    /// Fails the test where a request was not as Brevo wants it.
    #[track_caller]
    pub fn assert_no_breach(&self) {
        assert_eq!(*lock(&self.shared.breaches), Vec::<String>::new());
    }
}

impl Drop for Brevo {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn send(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("api-key") != shared.key {
        return refusal(401, &[], "unauthorized", "Key not found");
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    lock(&shared.asked).push(body.clone());
    let mut breaches = breaches(&body);
    if header("content-type") != "application/json" || header("accept") != "application/json" {
        breaches.push("content-type and accept must be application/json".to_owned());
    }
    if let Some(breach) = breaches.first() {
        let answer = refusal(400, &[], "invalid_parameter", breach);
        lock(&shared.breaches).append(&mut breaches);
        return answer;
    }
    let answer = lock(&shared.answer).clone();
    match answer {
        Answer::Taken => {
            let id = shared.id.fetch_add(1, SeqCst);
            let mut taken = body;
            taken["messageId"] = json!(id);
            lock(&shared.taken).push(taken);
            (StatusCode::CREATED, json_type(), json!({"messageId": id}).to_string()).into_response()
        }
        Answer::Refused(status, headers, code) => {
            let quoted = format!("{} is not taken", body["recipient"].as_str().unwrap_or_default());
            refusal(status, &headers, code, &quoted)
        }
        Answer::Silence => pending().await,
    }
}

fn refusal(status: u16, headers: &[(&'static str, String)], code: &str, message: &str) -> Response {
    let body = json!({"code": code, "message": message}).to_string();
    let status = StatusCode::from_u16(status).expect("a status");
    let mut response = (status, json_type(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    response
}

fn json_type() -> [(&'static str, &'static str); 1] {
    [("content-type", "application/json")]
}

/// What in the body is not as published.
fn breaches(body: &Value) -> Vec<String> {
    let known = ["sender", "recipient", "content", "type", "tag", "webUrl", "unicodeEnabled", "organisationPrefix"];
    let Some(fields) = body.as_object() else { return vec!["the body is no JSON object".to_owned()] };
    let mut breaches: Vec<String> =
        fields.keys().filter(|name| !known.contains(&name.as_str())).map(|name| format!("unknown: {name}")).collect();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let (sender, recipient) = (text("sender"), text("recipient"));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let longest = if digits(sender) { 15 } else { 11 };
    let mut require = |holds: bool, what: &str| {
        if !holds {
            breaches.push(what.to_owned());
        }
    };
    require((1..=longest).contains(&sender.chars().count()), "sender has 11 characters or 15 digits");
    require(digits(recipient) && (6..=15).contains(&recipient.len()), "recipient is a number with its country code");
    require(!text("content").is_empty(), "content is missing");
    require(["transactional", "marketing"].contains(&text("type")), "type is transactional or marketing");
    require(body["unicodeEnabled"].is_boolean(), "unicodeEnabled is true or false");
    require(body["tag"].is_null() || body["tag"].is_string(), "tag is a text");
    breaches
}
