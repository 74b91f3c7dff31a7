//! Sends spans to the collector, many at a time. Nobody waits for it, and what it does not take is counted and dropped.

use super::otlp::{Resource, rejected};
use super::span::Recorded;
use crate::lifecycle::StartError;
use axum::http::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, header};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Most spans of one request, as `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` has it by default.
const BATCH: usize = 512;

/// How long the first span of a request waits for others.
const DELAY: Duration = Duration::from_secs(1);

/// How long the collector may take. Meanwhile spans wait in the queue.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// How long the end of the process waits for the last spans to be sent at the most.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What sends the spans of this process.
#[derive(Debug)]
pub(crate) struct Exporter {
    ending: CancellationToken,
    running: JoinHandle<()>,
}

impl Exporter {
    /// Begins to send what comes over the queue.
    pub(super) fn start(
        url: Url,
        headers: HeaderMap,
        resource: Resource,
        waiting: mpsc::Receiver<Recorded>,
    ) -> Result<Self, StartError> {
        // The headers are for this collector alone.
        let http = http_client::client().redirect(Policy::none()).default_headers(headers);
        let http = http.connect_timeout(TIME_LIMIT / 5).timeout(TIME_LIMIT).build()?;
        let ending = CancellationToken::new();
        let sending = Sending { http, url, resource, failing: false, rejecting: false };
        Ok(Self { running: tokio::spawn(sending.run(waiting, ending.clone())), ending })
    }

    /// Sends what waits still, and ends, at the latest after `patience`.
    pub async fn finish(self, patience: Duration) {
        self.ending.cancel();
        let _ = tokio::time::timeout(LAST_WORDS.min(patience), self.running).await;
    }
}

struct Sending {
    http: Client,
    url: Url,
    resource: Resource,
    /// The log tells of failures when they begin and when they are over.
    failing: bool,
    /// The same of spans that are not taken from a request that is.
    rejecting: bool,
}

impl Sending {
    async fn run(mut self, mut waiting: mpsc::Receiver<Recorded>, ending: CancellationToken) {
        let mut spans = Vec::with_capacity(BATCH);
        loop {
            if let Some(0) = ending.run_until_cancelled(waiting.recv_many(&mut spans, BATCH)).await {
                return;
            }
            let more = async {
                loop {
                    let room = BATCH - spans.len();
                    if room == 0 || waiting.recv_many(&mut spans, room).await == 0 {
                        return;
                    }
                }
            };
            let _ = ending.run_until_cancelled(tokio::time::timeout(DELAY, more)).await;
            if ending.is_cancelled() {
                while let (Ok(span), true) = (waiting.try_recv(), spans.len() < 4 * BATCH) {
                    spans.push(span);
                }
            }
            if !spans.is_empty() {
                self.send(&spans).await;
                spans.clear();
            }
            if ending.is_cancelled() {
                return;
            }
        }
    }

    async fn send(&mut self, spans: &[Recorded]) {
        let outcome = self.try_to_send(spans).await;
        match outcome {
            Ok(rejected) => {
                if self.failing {
                    tracing::info!("the collector takes traces again");
                }
                if rejected > 0 && !self.rejecting {
                    tracing::warn!(rejected, "the collector rejects spans; they are dropped");
                }
                metrics::counter!("traces_dropped_total", "reason" => "rejected").increment(rejected);
                (self.failing, self.rejecting) = (false, rejected > 0);
            }
            Err(reason) => {
                metrics::counter!("traces_dropped_total", "reason" => "not_taken").increment(spans.len() as u64);
                if !self.failing {
                    tracing::warn!(reason, "the collector takes no traces; they are dropped");
                }
                self.failing = true;
            }
        }
    }

    /// Gives how many of them the collector did not take, although it took the request.
    async fn try_to_send(&self, spans: &[Recorded]) -> Result<u64, String> {
        let body = self.resource.request(spans).map_err(|error| error.to_string())?;
        let request = self.http.post(self.url.clone()).header(header::CONTENT_TYPE, "application/json").body(body);
        let answer = request.send().await.map_err(|error| http_client::reason(&error).to_owned())?;
        let status = answer.status();
        // A connection is used again only once its answer was read.
        let read = answer.bytes().await.map_err(|error| http_client::reason(&error).to_owned());
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        Ok(rejected(&read?).min(spans.len() as u64))
    }
}
