//! Work that is done again and again in the background.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Runs `job` every `pause` until `shutdown`. A failure is logged when it begins and when it is over.
pub async fn every<Job, Fut, E>(name: &'static str, pause: Duration, shutdown: CancellationToken, job: Job)
where
    Job: Fn() -> Fut + Send,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Display,
{
    let mut failing = false;
    while shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        match job().await {
            Ok(()) if failing => {
                tracing::info!(job = name, "works again");
                failing = false;
            }
            Err(error) if !failing => {
                tracing::warn!(job = name, %error, "failed, will be tried again");
                failing = true;
            }
            Ok(()) | Err(_) => {}
        }
    }
}
