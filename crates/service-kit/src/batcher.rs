//! Collects what is waiting while the previous batch is at work, so that many requests share one transaction.
//!
//! An idle system adds no latency, a busy one shares commits, round trips and row locks. A second batch is begun beside the
//! first only when enough wait: several small ones at once cost more than one after the other. Who was just answered may
//! be waited for a moment.

use crate::panics::caught;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Bounds of a batcher.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests of one batch.
    pub batch: usize,
    /// Requests waiting behind those of the next batch; one more is refused.
    pub waiting: usize,
    /// Batches at work at the same time, where enough are waiting.
    pub concurrency: usize,
    /// How long those are waited for who were just answered and may be back in a moment.
    pub linger: Duration,
}

/// A second batch is begun beside the first once this part of the largest batch waits.
const WORTH_A_SECOND: usize = 4;

/// How long a batch may take. One that hangs, as where PostgreSQL's host vanished, would keep its place from the next ones.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a batch is tried that only had to give way.
const ATTEMPTS: u32 = 3;

/// Whose doing the failure of a batch was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blame {
    /// It would hit every request alike (the database is away): it is everybody's answer.
    Everybody,
    /// Another transaction was in the way: the same work can succeed at once.
    Nobody,
    /// Some request's fault: they are tried one by one, so that none harms its neighbours.
    Somebody,
}

/// Why a request got no answer of its own.
#[derive(Debug, thiserror::Error)]
pub enum BatchError<E> {
    /// Too many are waiting: come back later.
    #[error("too many requests are waiting")]
    Full,
    /// The batch came to an end without an answer; nothing is known of its effect.
    #[error("the batch was lost")]
    Lost,
    /// The work failed.
    #[error(transparent)]
    Failed(Arc<E>),
}

struct Entry<Request, Answer, E> {
    request: Request,
    reply: oneshot::Sender<Result<Answer, Arc<E>>>,
    since: Instant,
}

/// The front of the queue; clones share it.
#[derive(Debug)]
pub struct Batcher<Request, Answer, E> {
    name: &'static str,
    queue: mpsc::Sender<Entry<Request, Answer, E>>,
}

impl<Request, Answer, E> Clone for Batcher<Request, Answer, E> {
    fn clone(&self) -> Self {
        Self { name: self.name, queue: self.queue.clone() }
    }
}

impl<Request, Answer, E> Batcher<Request, Answer, E>
where
    Request: Clone + Send + Sync + 'static,
    Answer: Send + 'static,
    E: Send + Sync + 'static,
{
    /// Starts the queue `name`. `work` gives one answer for each request, in order, or fails for all of them; `blame` says
    /// what follows from a failure.
    pub fn start<Work, Fut>(name: &'static str, limits: Limits, work: Work, blame: fn(&E) -> Blame) -> Self
    where
        Work: Fn(Arc<[Request]>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<Answer>, E>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(limits.waiting);
        metrics::gauge!("batch_queue_length", "queue" => name).set(0.0);
        tokio::spawn(collect(waiting, limits, Arc::new(Worker { name, work, blame, patience: PATIENCE })));
        Self { name, queue }
    }

    /// Queues a request and waits for its answer.
    pub async fn submit(&self, request: Request) -> Result<Answer, BatchError<E>> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Entry { request, reply, since: Instant::now() }).map_err(|_| BatchError::Full)?;
        metrics::gauge!("batch_queue_length", "queue" => self.name).increment(1.0);
        answer.await.map_err(|_| BatchError::Lost)?.map_err(BatchError::Failed)
    }
}

/// What is done with a batch.
struct Worker<Work, E> {
    name: &'static str,
    work: Work,
    blame: fn(&E) -> Blame,
    patience: Duration,
}

/// A batch that has come to its end.
#[derive(Clone, Copy, Debug)]
struct Done {
    answered: usize,
    at: Instant,
}

/// Makes batches of what waits, until nobody can submit any more.
async fn collect<Request, Answer, E, Work, Fut>(
    mut waiting: mpsc::Receiver<Entry<Request, Answer, E>>,
    limits: Limits,
    worker: Arc<Worker<Work, E>>,
) where
    Request: Clone + Send + Sync + 'static,
    Answer: Send + 'static,
    E: Send + Sync + 'static,
    Work: Fn(Arc<[Request]>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<Answer>, E>> + Send + 'static,
{
    let enough = limits.batch.div_ceil(WORTH_A_SECOND);
    let (mut batch, mut at_work, mut last) = (Vec::new(), JoinSet::new(), None);
    while waiting.recv_many(&mut batch, limits.batch).await > 0 {
        // What comes meanwhile joins the batch, as long as one at work delays it anyway.
        while !at_work.is_empty() && (batch.len() < enough || at_work.len() >= limits.concurrency) {
            let room = limits.batch - batch.len();
            tokio::select! {
                biased;
                _ = waiting.recv_many(&mut batch, room), if room > 0 && !waiting.is_closed() => {}
                Some(done) = at_work.join_next() => last = done.ok(),
            }
        }
        // A timer that has nothing to wait for takes a millisecond all the same.
        if let Some(done) = last.take().filter(|_| at_work.is_empty() && !limits.linger.is_zero()) {
            wait_for_those_answered(done, &mut waiting, &mut batch, enough, limits.linger).await;
        }
        let (worker, batch) = (worker.clone(), std::mem::take(&mut batch));
        at_work.spawn(async move {
            let answered = batch.len();
            worker.run(batch).await;
            Done { answered, at: Instant::now() }
        });
    }
    // Those at work come to their end: dropping the set would break them off.
    at_work.join_all().await;
}

/// Waits a moment for those who were answered by the batch before: who orders all the time is back soon, and one batch of
/// all costs less than two that take turns. Who has come since the answers were given counts as one of them, so nobody
/// waits where nobody else is.
async fn wait_for_those_answered<Request, Answer, E>(
    Done { answered, at }: Done,
    waiting: &mut mpsc::Receiver<Entry<Request, Answer, E>>,
    batch: &mut Vec<Entry<Request, Answer, E>>,
    enough: usize,
    linger: Duration,
) {
    let back = batch.iter().filter(|entry| entry.since > at).count();
    let expected = enough.min(batch.len() + answered.saturating_sub(back));
    let coming =
        async { while batch.len() < expected && waiting.recv_many(batch, expected - batch.len()).await > 0 {} };
    // Not all of them come back, or not at once.
    let _ = tokio::time::timeout_at((at + linger).into(), coming).await;
}

impl<Work, E> Worker<Work, E> {
    /// Works on a batch and gives everybody his answer.
    async fn run<Request, Answer, Fut>(&self, mut entries: Vec<Entry<Request, Answer, E>>)
    where
        Request: Clone,
        Work: Fn(Arc<[Request]>) -> Fut,
        Fut: Future<Output = Result<Vec<Answer>, E>>,
    {
        metrics::gauge!("batch_queue_length", "queue" => self.name).decrement(entries.len() as f64);
        // Who has gone away by now gets no work done for nothing.
        entries.retain(|entry| !entry.reply.is_closed());
        let Some(first) = entries.first() else { return };
        metrics::histogram!("batch_wait_seconds", "queue" => self.name).record(first.since.elapsed());
        metrics::histogram!("batch_size", "queue" => self.name).record(entries.len() as f64);
        let (requests, replies): (Vec<_>, Vec<_>) = entries.into_iter().map(|e| (e.request, e.reply)).unzip();
        let requests: Arc<[Request]> = requests.into();
        let outcome = match self.caught(requests.clone()).await {
            Ok(outcome) => outcome,
            Err(reason) => {
                // The replies are dropped, which the waiting side sees as lost; the next batch is worked on.
                tracing::error!(queue = self.name, reason, "a batch was lost");
                return;
            }
        };
        match outcome {
            Ok(answers) => replies.into_iter().zip(answers).for_each(|(reply, answer)| send(reply, Ok(answer))),
            Err(error) if requests.len() == 1 || (self.blame)(&error) == Blame::Everybody => {
                let error = Arc::new(error);
                replies.into_iter().for_each(|reply| send(reply, Err(error.clone())));
            }
            Err(_) => {
                for (request, reply) in requests.iter().zip(replies) {
                    // Without an answer, or after a panic, the reply is dropped, which the waiting side sees as lost.
                    match self.caught(Arc::new([request.clone()])).await {
                        Err(reason) => tracing::error!(queue = self.name, reason, "a request was lost"),
                        Ok(Ok(answers)) => {
                            if let Some(answer) = answers.into_iter().next() {
                                send(reply, Ok(answer));
                            }
                        }
                        Ok(Err(error)) => send(reply, Err(Arc::new(error))),
                    }
                }
            }
        }
    }

    /// What comes of a batch, or why nothing is known of it.
    async fn caught<Request, Answer, Fut>(&self, requests: Arc<[Request]>) -> Result<Result<Vec<Answer>, E>, String>
    where
        Work: Fn(Arc<[Request]>) -> Fut,
        Fut: Future<Output = Result<Vec<Answer>, E>>,
    {
        let outcome = tokio::time::timeout(self.patience, caught(self.patiently(requests))).await;
        outcome.unwrap_or_else(|_| Err("it did not end in time".to_owned()))
    }

    /// Tries a batch again that had to give way.
    async fn patiently<Request, Answer, Fut>(&self, requests: Arc<[Request]>) -> Result<Vec<Answer>, E>
    where
        Work: Fn(Arc<[Request]>) -> Fut,
        Fut: Future<Output = Result<Vec<Answer>, E>>,
    {
        let mut attempt = 1;
        loop {
            match (self.work)(requests.clone()).await {
                Err(error) if (self.blame)(&error) == Blame::Nobody && attempt < ATTEMPTS => {
                    attempt += 1;
                    metrics::counter!("batches_retried_total").increment(1);
                }
                outcome => return outcome,
            }
        }
    }
}

fn send<T>(reply: oneshot::Sender<T>, answer: T) {
    // The client may have gone away; the work is done all the same.
    let _ = reply.send(answer);
}

#[cfg(test)]
mod tests;
