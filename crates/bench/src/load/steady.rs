//! A fixed number of requests per second, whether or not the answers keep up (open loop).

use super::Answers;
use super::seen::Seen;
use crate::error::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// An open loop of POST requests. A request that has to wait for its connection is counted from when it was due.
#[derive(Clone, Debug)]
pub struct Steady {
    /// Where the requests go.
    pub url: String,
    /// The bodies, in turn.
    pub bodies: Arc<Vec<String>>,
    pub connections: u32,
    pub per_second: u32,
    /// How long, in seconds.
    pub seconds: u32,
}

impl Steady {
    /// Plays it to its end, which is when the last request was answered.
    pub async fn run(&self) -> Result<Answers> {
        let http = http_client::client().pool_max_idle_per_host(self.connections as usize).timeout(PATIENCE).build()?;
        let (next, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            connections.spawn(self.clone().play(http.clone(), next.clone(), started));
        }
        let mut all = Seen::default();
        while let Some(seen) = connections.join_next().await {
            all.add(seen?);
        }
        Ok(all.answers(started.elapsed().as_secs_f64()))
    }

    /// One connection: takes the next request that is due, again and again.
    async fn play(self, http: reqwest::Client, next: Arc<AtomicU64>, started: Instant) -> Seen {
        let mut seen = Seen::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let after = Duration::from_secs_f64(number as f64 / f64::from(self.per_second.max(1)));
            if after >= Duration::from_secs(self.seconds.into()) {
                return seen;
            }
            let due = started + after;
            sleep_until(due).await;
            let body = self.bodies[number as usize % self.bodies.len()].clone();
            let request = http.post(&self.url).header("content-type", "application/json").body(body);
            let answered = async {
                let answer = request.send().await?;
                let status = answer.status();
                // A connection is only used again when the answer was read.
                answer.bytes().await.map(|_| status)
            };
            seen.note(due, answered.await.ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Steady;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::post;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn asks_as_often_as_wanted_and_counts_refusals() {
        let asked = Arc::new(AtomicU64::new(0));
        let counted = asked.clone();
        // Every second request is refused.
        let answer = move || async move {
            if counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                StatusCode::CREATED
            } else {
                StatusCode::CONFLICT
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "a stand-in knows no callers")]
        let routes = Router::new().route("/", post(answer));
        tokio::spawn(axum::serve(listener, routes).into_future());
        let bodies = Arc::new(vec!["{}".to_owned()]);
        let answers = Steady { url, bodies, connections: 4, per_second: 40, seconds: 1 }.run().await.unwrap();
        assert_eq!((answers.requests, answers.refused, answers.unanswered), (40, 20, 0));
        assert!(answers.latency.p50_ms > 0.0 && answers.latency.p50_ms <= answers.latency.max_ms);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_gives_no_answer() {
        let url = format!("http://127.0.0.1:{}/", testbed::ports::free_port().unwrap());
        let bodies = Arc::new(vec!["{}".to_owned()]);
        let answers = Steady { url, bodies, connections: 1, per_second: 5, seconds: 1 }.run().await.unwrap();
        assert_eq!((answers.requests, answers.unanswered), (0, 5));
    }
}
