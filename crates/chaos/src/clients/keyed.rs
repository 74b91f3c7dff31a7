//! Requests with a key: repeated until the answer is definite, hung up on, sent twice at once, asked again.

use super::{ChaosClient, Side};
use crate::figures::Kind;
use crate::operations::Manner;
use crate::requests::{Answer, Request, Verdict};
use std::time::{Duration, Instant};

/// How long a keyed request may be without a definite answer once everything is up again.
pub(super) const LAST_PATIENCE: Duration = Duration::from_secs(60);

/// Time before the next attempt at a keyed request.
pub(super) const AGAIN: Duration = Duration::from_millis(200);

/// What came of a request that was repeated until its answer was definite.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The answer, or nothing when patience was over or an answer was wrong.
    pub answer: Option<Answer>,
    /// Whether an attempt before may have had an effect.
    pub unsure: bool,
}

impl ChaosClient {
    /// Makes a keyed request in the given manner. Of twins that were both served, both must have the same answer.
    pub(super) async fn in_manner(
        &mut self,
        manner: Manner,
        kind: Kind,
        side: Side,
        request: &Request,
        expected: &[u16],
    ) -> Settled {
        match manner {
            Manner::Patiently => self.until_definite(kind, side, request, expected).await,
            Manner::HangingUp(patience) => {
                let hasty = Request { patience: Some(patience), ..request.clone() };
                self.until_definite(kind, side, &hasty, expected).await
            }
            Manner::AsTwins => {
                let mut twin = self.clone();
                twin.process += 1;
                let (one, other) = tokio::join!(
                    self.until_definite(kind, side, request, expected),
                    twin.until_definite(kind, side, request, expected)
                );
                self.one_of_twins(one, other)
            }
        }
    }

    fn one_of_twins(&self, one: Settled, other: Settled) -> Settled {
        let served = |twin: &Settled| twin.answer.as_ref().is_some_and(|answer| answer.status < 300);
        if served(&one) && served(&other) && one.answer != other.answer {
            self.history.lock().found(format!("twins were answered {:?} and {:?}", one.answer, other.answer));
        }
        let unsure = one.unsure || other.unsure || one.answer.is_none() || other.answer.is_none();
        let answer = if served(&other) { other.answer } else { one.answer.or(other.answer) };
        Settled { answer, unsure }
    }

    /// The same request with the same key gives the same answer.
    pub(super) async fn repeat(&mut self, side: Side, request: &Request, first: &Answer) {
        let again = self.until_definite(Kind::Repeat, side, request, &[first.status]).await;
        if let Some(answer) = again.answer
            && answer != *first
        {
            let text = format!("the key {:?} was answered {first:?} and then {answer:?}", request.key);
            self.history.lock().found(text);
        }
    }

    /// Repeats a request that is safe to repeat until its answer is definite, across every restart.
    pub(super) async fn until_definite(
        &mut self,
        kind: Kind,
        side: Side,
        request: &Request,
        expected: &[u16],
    ) -> Settled {
        let mut unsure = false;
        let mut left = None;
        let mut request = request.clone();
        loop {
            match self.attempt(kind, side, &request, expected).await {
                Verdict::Definite(answer) => return Settled { answer: Some(answer), unsure },
                Verdict::Wrong(_) => return Settled { answer: None, unsure: true },
                Verdict::Unknown => unsure = true,
                Verdict::Renew => self.renew().await,
                Verdict::NotSent => {}
            }
            if self.stop.is_cancelled() {
                let since = *left.get_or_insert_with(Instant::now);
                if since.elapsed() > LAST_PATIENCE {
                    let (name, path, key) = (kind.name(), &request.path, &request.key);
                    let text = format!("{name} {path} with key {key:?} got no definite answer although all is up");
                    self.history.lock().found(text);
                    return Settled { answer: None, unsure: true };
                }
            }
            request.patience = None;
            tokio::time::sleep(AGAIN).await;
        }
    }
}
