//! What a test tidies up when it ends, from within `drop`, which cannot await.

use std::future::Future;
use std::time::Duration;

/// Runs `work` to its end, at the most for ten seconds. What fails here fails no test: the servers are thrown away.
pub fn run(work: impl Future<Output = ()> + Send + 'static) {
    // A runtime cannot wait for another on its own thread.
    let working = std::thread::spawn(move || {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            let _ = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), work).await });
        }
    });
    let _ = working.join();
}
