//! Says every few seconds how far a long look has come.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// Takes what is to be said: one line, without its end.
pub type Tell<'a> = &'a (dyn Fn(&str) + Sync);

const PAUSE: Duration = Duration::from_secs(3);

/// Does the work, and says meanwhile what `line` gives: first after three seconds, then every three.
pub async fn telling<T>(work: impl Future<Output = T>, line: impl Fn() -> String, tell: Tell<'_>) -> T {
    telling_every(PAUSE, work, line, tell).await
}

async fn telling_every<T>(
    pause: Duration,
    work: impl Future<Output = T>,
    line: impl Fn() -> String,
    tell: Tell<'_>,
) -> T {
    let mut work = pin!(work);
    loop {
        match tokio::time::timeout(pause, &mut work).await {
            Ok(done) => return done,
            Err(_) => tell(&line()),
        }
    }
}

/// `1,200,000`.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{PAUSE, grouped, telling, telling_every};
    use std::future::poll_fn;
    use std::sync::Mutex;
    use std::task::Poll;
    use std::time::Duration;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1_200_000].map(grouped), ["0", "999", "1,000", "1,200,000"]);
    }

    #[tokio::test]
    async fn says_how_far_it_is_until_the_work_is_done() {
        assert_eq!(PAUSE, Duration::from_secs(3));
        let said = Mutex::new(Vec::new());
        let tell = |line: &str| said.lock().unwrap().push(line.to_owned());
        // Work that is done as soon as it was told of three times.
        let work = poll_fn(|_| if said.lock().unwrap().len() < 3 { Poll::Pending } else { Poll::Ready(()) });
        telling_every(Duration::from_millis(5), work, || "some".to_owned(), &tell).await;
        assert_eq!(*said.lock().unwrap(), ["some", "some", "some"]);
        said.lock().unwrap().clear();
        assert_eq!(telling(async { 7 }, || "some".to_owned(), &tell).await, 7);
        assert!(said.lock().unwrap().is_empty());
    }
}
