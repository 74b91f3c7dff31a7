//! SIGTERM and Ctrl-C, and the order in which things end: first the requests in flight, then the background, which
//! so gets to publish what the last requests committed.

use std::future::Future;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tells the server and then the background tasks to come to their end, and knows when all have.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    signal: CancellationToken,
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// One that starts on SIGTERM or SIGINT.
    pub fn on_signal() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let token = shutdown.signal.clone();
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::info!("shutting down: no new requests, those in flight are finished");
            token.cancel();
        });
        Ok(shutdown)
    }

    /// What the server watches to learn that it should take no new requests.
    pub fn signal(&self) -> CancellationToken {
        self.signal.clone()
    }

    /// What a background task watches to learn that it should end.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs a task that is waited for at the end.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Tells the background tasks to end and waits for them, at the most for `patience`.
    pub async fn finish(&self, patience: Duration) {
        self.token.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!("some background work did not end in time; it is picked up at the next start");
        }
    }
}
