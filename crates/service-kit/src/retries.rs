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

/// Header that counts how often it had to wait for what something else held, which is no attempt.
const WAITS: &str = "x-waits";

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

    /// The same, with its number.
    pub(crate) fn after_attempt(&self, attempt: u32) -> Option<Delay> {
        Some(Delay { step: usize::try_from(attempt).ok()?, ms: self.after(attempt)? })
    }

    /// The same after the wait number `wait`; the last delay after all that have none of their own.
    pub(crate) fn after_wait(&self, wait: u32) -> Option<Delay> {
        self.after_attempt(wait.min(u32::try_from(self.count()).unwrap_or(u32::MAX)))
    }
}

/// How long an event waits, and which of the delays that is, from 1 on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Delay {
    step: usize,
    /// In milliseconds.
    pub(crate) ms: u32,
}

/// What a message has been through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tries {
    /// Attempts that failed.
    pub(crate) attempts: u32,
    /// Attempts that found something locked, which do not count as such.
    pub(crate) waits: u32,
}

impl Tries {
    /// Before this time.
    pub(crate) fn of(message: &Delivery) -> Self {
        let headers = message.properties.headers().as_ref();
        let count = |name| match headers.and_then(|headers| headers.inner().get(name)) {
            Some(AMQPValue::LongUInt(count)) => *count,
            _ => 0,
        };
        Self { attempts: count(ATTEMPTS), waits: count(WAITS) }
    }

    pub(crate) fn and_an_attempt(self) -> Self {
        Self { attempts: self.attempts.saturating_add(1), ..self }
    }

    pub(crate) fn and_a_wait(self) -> Self {
        Self { waits: self.waits.saturating_add(1), ..self }
    }
}

/// Puts an event out of `message` into a delay queue, from which it comes back by itself, and on its own, after the delay;
/// returns when the broker has confirmed it.
pub(crate) async fn put_off(
    channel: &Channel,
    queue: Queue,
    message: &Delivery,
    event: &[u8],
    tries: Tries,
    delay: Delay,
) -> Result<(), BrokerError> {
    let mut headers = message.properties.headers().clone().unwrap_or_default();
    headers.insert(ATTEMPTS.into(), AMQPValue::LongUInt(tries.attempts));
    headers.insert(WAITS.into(), AMQPValue::LongUInt(tries.waits));
    let mut properties = BasicProperties::default()
        .with_headers(headers)
        .with_content_type(SINGLE.into())
        .with_expiration(delay.ms.to_string().as_str().into());
    if let Some(event_type) = message.properties.kind() {
        properties = properties.with_type(event_type.clone());
    }
    let confirm = broker::publish(channel, "", &queue.retry_queue(delay.step), event, properties).await?;
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
    fn what_waits_goes_on_to_wait_for_the_longest_delay() {
        let delays = delays("1,5,86400000").unwrap();
        let steps = [1, 2, 3, 4, 1000].map(|wait| delays.after_wait(wait).map(|delay| delay.step));
        assert_eq!(steps, [1, 2, 3, 3, 3].map(Some));
    }

    #[test]
    fn what_makes_no_delays_is_refused() {
        assert!(delays("1,2,3,4,5,6,7,8,9,10").is_ok());
        for text in ["", "1,", "0", "-1", "1.5", "5s", "86400001", "1;2", "1,2,3,4,5,6,7,8,9,10,11"] {
            assert!(delays(text).unwrap_err().starts_with("must be 1 to 10 whole numbers"), "{text:?}");
        }
    }
}
