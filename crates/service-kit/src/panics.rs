//! A panic in background work is a bug, but one that must not end the work for good without a sound.

use futures_util::FutureExt;
use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

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
    use super::caught;

    #[tokio::test]
    async fn a_panic_comes_back_as_its_message() {
        let number = 7;
        assert_eq!(caught(async { panic!("unlucky {number}") }).await, Err::<(), _>("panicked: unlucky 7".to_owned()));
        assert_eq!(caught(async { number }).await, Ok(7));
    }
}
