//! Who works on a payment in this process: one at a time.

use shared_types::PaymentId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

type Turns = HashMap<PaymentId, Arc<tokio::sync::Mutex<()>>>;

/// The payments that are worked on.
#[derive(Debug, Default)]
pub struct AtWork(Mutex<Turns>);

/// The right to work on a payment until this is dropped.
#[derive(Debug)]
pub struct Alone<'a> {
    at_work: &'a AtWork,
    payment: PaymentId,
    turn: Option<OwnedMutexGuard<()>>,
    waited: bool,
}

impl AtWork {
    /// Waits until nobody else here works on the payment.
    pub async fn alone(&self, payment: PaymentId) -> Alone<'_> {
        let turn = self.turns().entry(payment).or_default().clone();
        let (turn, waited) = match turn.clone().try_lock_owned() {
            Ok(turn) => (turn, false),
            Err(_) => (turn.lock_owned().await, true),
        };
        Alone { at_work: self, payment, turn: Some(turn), waited }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alone<'_> {
    /// Whether somebody else worked on it just before.
    pub fn waited(&self) -> bool {
        self.waited
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        let mut turns = self.at_work.turns();
        self.turn = None;
        // Whoever waits has it, too.
        if turns.get(&self.payment).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.payment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AtWork;
    use shared_types::PaymentId;
    use std::sync::Arc;

    #[tokio::test]
    async fn one_works_on_a_payment_and_others_wait() {
        let at_work = Arc::new(AtWork::default());
        let first = at_work.alone(PaymentId(1)).await;
        assert!(!first.waited() && !at_work.alone(PaymentId(2)).await.waited());
        let waiting = at_work.clone();
        let second = tokio::spawn(async move { waiting.alone(PaymentId(1)).await.waited() });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        assert!(second.await.unwrap());
        assert!(at_work.turns().is_empty(), "nothing is kept of payments that nobody works on");
    }
}
