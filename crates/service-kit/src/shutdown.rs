//! SIGTERM and Ctrl-C, and waiting for what is in flight.

use std::future::Future;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tells every task to come to its end, and knows when all have.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// One that starts on SIGTERM or SIGINT.
    pub fn on_signal() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let token = shutdown.token.clone();
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::info!("shutting down: no new requests, those in flight are finished");
            token.cancel();
        });
        Ok(shutdown)
    }

    /// What a task watches to learn that it should end.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs a task that is waited for at the end.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits for the tasks to end, at the most for `patience`.
    pub async fn finish(&self, patience: Duration) {
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!("some background work did not end in time; it is picked up at the next start");
        }
    }
}
