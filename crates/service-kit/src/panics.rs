//! A panic in background work is a bug, but one that must not end the work for good without a sound.

use futures_util::FutureExt;
use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::future::Future;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

/// From now on a panic goes to the log, as one line in its format and with the request in which it happened.
pub(crate) fn log_them() {
    panic::set_hook(Box::new(log));
}

fn log(panic: &PanicHookInfo<'_>) {
    let text = message(panic.payload());
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    // Only where RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    // With their line feeds escaped.
    tracing::error!(error = ?text, place, backtrace = backtrace.as_deref().map(tracing::field::debug), "panic");
}

/// Runs the work; a panic comes back as its message.
///
/// What the work had begun is dropped: transactions roll back, messages go unacknowledged.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| message(&*panic))
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("of unknown kind"))
}

#[cfg(test)]
mod tests {
    use super::{caught, log};
    use crate::captured::Captured;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_panic_is_one_line_of_the_log_with_its_request() {
        let lines = Captured::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log));
        let outcome = tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", request_id = "my-request-7");
            span.in_scope(|| std::panic::catch_unwind(|| panic!("unlucky\n{}", 7)))
        });
        std::panic::set_hook(before);
        assert!(outcome.is_err());
        let text = lines.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["span"]["request_id"], "my-request-7");
        assert!(line["error"].as_str().unwrap().contains("unlucky"), "{line}");
    }

    #[tokio::test]
    async fn a_panic_comes_back_as_its_message() {
        let number = 7;
        assert_eq!(caught(async { panic!("unlucky {number}") }).await, Err::<(), _>("panicked: unlucky 7".to_owned()));
        assert_eq!(caught(async { number }).await, Ok(7));
    }
}
