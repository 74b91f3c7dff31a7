//! The fastest server there can be with the same parts: one route, no middleware, an answer that never changes.

use crate::error::{BenchError, Result};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testbed::{http, ports};
use tokio::net::TcpListener;

const START_LIMIT: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(20);

/// Answers `GET /` on this port of the loopback address with a JSON text of this many bytes, for ever.
pub async fn serve(port: u16, size: usize) -> std::io::Result<()> {
    let body: &'static str = String::leak(body(size));
    #[expect(clippy::disallowed_methods, reason = "the route is no service's")]
    let routes = Router::new().route("/", get(move || async move { ([(CONTENT_TYPE, "application/json")], body) }));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    axum::serve(listener, routes).await
}

/// A JSON object of so many bytes, at least 11.
fn body(size: usize) -> String {
    let frame = r#"{"text":""}"#;
    format!(r#"{{"text":"{}"}}"#, "x".repeat(size.saturating_sub(frame.len())))
}

/// [`serve`] as a process of its own, as the services are. Killed when dropped.
#[derive(Debug)]
pub struct ConstantRoute {
    child: Child,
    port: u16,
}

impl ConstantRoute {
    /// Starts it and waits until it answers.
    pub async fn start(bench: &Path, size: usize) -> Result<Self> {
        let port = ports::free_port()?;
        let mut command = Command::new(bench);
        command.args(["constant-route", "--port", &port.to_string(), "--size", &size.to_string()]);
        let child = command.stdin(Stdio::null()).spawn().map_err(BenchError::file(bench))?;
        let route = Self { child, port };
        let started = Instant::now();
        while http::get(port, "/").is_none() {
            if started.elapsed() > START_LIMIT {
                return Err(BenchError::GaveUp("the constant route does not answer".to_owned()));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(route)
    }

    /// Its URL without a path.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for ConstantRoute {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn the_body_is_json_of_the_size_asked_for() {
        assert_eq!(body(250).len(), 250);
        assert!(serde_json::from_str::<serde_json::Value>(&body(250)).is_ok());
    }
}
