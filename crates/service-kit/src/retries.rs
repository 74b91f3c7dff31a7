//! How long a message that failed waits before it is tried again, and the way into the queue in which it waits.

use crate::broker::{self, BrokerError};
use lapin::message::Delivery;
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel};
use shared_types::event_batches::SINGLE;
use shared_types::topology::Queue;
use std::str::FromStr;
use std::time::Duration;

/// Most delays, which is also the most delay queues of one consumer.
const MOST: usize = 10;

/// The longest delay in milliseconds, a day.
const LONGEST_MS: u32 = 86_400_000;

/// Header that counts the attempts a message has had.
const ATTEMPTS: &str = "x-attempts";

/// How long the broker may take to confirm that a message waits.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// The delays before the second attempt, the third, and so on, in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetryDelays(Vec<u32>);

impl FromStr for RetryDelays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let delays: Result<Vec<u32>, _> = text.split(',').map(|delay| delay.trim().parse()).collect();
        match delays {
            Ok(delays) if delays.len() <= MOST && delays.iter().all(|delay| (1..=LONGEST_MS).contains(delay)) => {
                Ok(Self(delays))
            }
            _ => Err(format!("must be 1 to {MOST} whole numbers from 1 to {LONGEST_MS}, with commas between them")),
        }
    }
}

impl RetryDelays {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How long to wait after the failed attempt number `attempt` (from 1 on), in milliseconds; none after the last.
    ///
    /// Up to a fifth shorter or longer than configured, so that messages that failed together, because of each other
    /// perhaps, do not come back together.
    pub fn after(&self, attempt: u32) -> Option<u32> {
        let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
        let delay = u64::from(*self.0.get(index)?);
        u32::try_from(fastrand::u64(delay * 4 / 5..=delay * 6 / 5)).ok()
    }
}

/// How many attempts a message has had before this one.
pub(crate) fn earlier_attempts(message: &Delivery) -> u32 {
    let headers = message.properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get(ATTEMPTS)) {
        Some(AMQPValue::LongUInt(attempts)) => *attempts,
        _ => 0,
    }
}

/// Puts an event out of `message`, whose attempt number `attempts` failed, into its delay queue, from which it comes back
/// by itself, and on its own, after `delay_ms`; returns when the broker has confirmed it.
pub(crate) async fn put_off(
    channel: &Channel,
    queue: Queue,
    message: &Delivery,
    event: &[u8],
    attempts: u32,
    delay_ms: u32,
) -> Result<(), BrokerError> {
    let mut headers = message.properties.headers().clone().unwrap_or_default();
    headers.insert(ATTEMPTS.into(), AMQPValue::LongUInt(attempts));
    let mut properties = BasicProperties::default()
        .with_headers(headers)
        .with_content_type(SINGLE.into())
        .with_expiration(delay_ms.to_string().as_str().into());
    if let Some(event_type) = message.properties.kind() {
        properties = properties.with_type(event_type.clone());
    }
    let delay_queue = queue.retry_queue(usize::try_from(attempts).unwrap_or(usize::MAX));
    let confirm = broker::publish(channel, "", &delay_queue, event, properties).await?;
    let confirm = tokio::time::timeout(CONFIRM_TIMEOUT, confirm);
    if confirm.await.map_err(|_| BrokerError::Timeout)??.is_nack() {
        return Err(BrokerError::Refused);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::RetryDelays;

    fn delays(text: &str) -> Result<RetryDelays, String> {
        text.parse()
    }

    #[test]
    fn a_delay_is_up_to_a_fifth_shorter_or_longer() {
        let delays = delays("50, 1000").unwrap();
        for (attempt, bounds) in [(1, 40..=60), (2, 800..=1200)] {
            let seen: Vec<u32> = (0..1000).map(|_| delays.after(attempt).unwrap()).collect();
            assert!(seen.iter().all(|delay| bounds.contains(delay)), "{seen:?}");
            // Over the whole width, not about one end of it.
            let (low, high) = (seen.iter().min().unwrap(), seen.iter().max().unwrap());
            let width = bounds.end() - bounds.start();
            assert!(*low < bounds.start() + width / 10 && *high > bounds.end() - width / 10, "{low} to {high}");
        }
    }

    #[test]
    fn there_is_one_delay_for_each_further_attempt() {
        let delays = delays("1,86400000").unwrap();
        assert_eq!(delays.count(), 2);
        assert!(delays.after(1).is_some() && delays.after(2).is_some());
        assert_eq!((delays.after(0), delays.after(3), delays.after(u32::MAX)), (None, None, None));
    }

    #[test]
    fn what_makes_no_delays_is_refused() {
        assert!(delays("1,2,3,4,5,6,7,8,9,10").is_ok());
        for text in ["", "1,", "0", "-1", "1.5", "5s", "86400001", "1;2", "1,2,3,4,5,6,7,8,9,10,11"] {
            assert!(delays(text).unwrap_err().starts_with("must be 1 to 10 whole numbers"), "{text:?}");
        }
    }
}
