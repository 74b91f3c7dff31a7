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

/// A batch that has come to its end.
#[derive(Clone, Copy, Debug)]
struct Done {
    answered: usize,
    at: Instant,
}

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
        tokio::spawn(collect(waiting, limits, Arc::new(Worker { name, work, blame })));
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
        let outcome = match caught(self.patiently(requests.clone())).await {
            Ok(outcome) => outcome,
            Err(panic) => {
                // The replies are dropped, which the waiting side sees as lost; the next batch is worked on.
                tracing::error!(queue = self.name, panic, "a batch was lost");
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
                    match caught(self.patiently(Arc::new([request.clone()]))).await {
                        Err(panic) => tracing::error!(queue = self.name, panic, "a request was lost"),
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
mod tests {
    use super::{ATTEMPTS, BatchError, Batcher, Blame, Limits, WORTH_A_SECOND};
    use futures_util::FutureExt;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tokio::sync::Notify;

    type Answering<E> = Pin<Box<dyn Future<Output = Result<u32, BatchError<E>>> + Send>>;

    /// A request that is in the queue.
    fn queued<E: Send + Sync + 'static>(batcher: &Batcher<u32, u32, E>, n: u32) -> Answering<E> {
        let batcher = batcher.clone();
        let mut answering: Answering<E> = Box::pin(async move { batcher.submit(n).await });
        assert!(answering.as_mut().now_or_never().is_none(), "answered before it was worked on");
        answering
    }

    const ONE_AT_A_TIME: Limits = Limits { batch: 8, waiting: 8, concurrency: 1, linger: Duration::ZERO };

    #[tokio::test]
    async fn what_arrives_meanwhile_shares_the_next_batch() {
        let (gate, entered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let batcher = {
            let (gate, entered, sizes) = (gate.clone(), entered.clone(), sizes.clone());
            Batcher::start(
                "test",
                ONE_AT_A_TIME,
                move |batch: Arc<[u32]>| {
                    let (gate, entered) = (gate.clone(), entered.clone());
                    sizes.lock().unwrap().push(batch.len());
                    async move {
                        entered.notify_one();
                        gate.notified().await;
                        Ok::<_, ()>(batch.iter().map(|n| n * 10).collect())
                    }
                },
                |()| Blame::Everybody,
            )
        };
        let first = queued(&batcher, 1);
        entered.notified().await;
        let rest: Vec<_> = (2..=5).map(|n| queued(&batcher, n)).collect();
        gate.notify_one();
        entered.notified().await;
        gate.notify_one();
        assert_eq!(first.await.unwrap(), 10);
        for (answer, expected) in rest.into_iter().zip([20, 30, 40, 50]) {
            assert_eq!(answer.await.unwrap(), expected);
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 4]);
    }

    const LINGERING: Limits = Limits { linger: Duration::from_secs(3600), ..ONE_AT_A_TIME };

    #[tokio::test]
    async fn who_was_just_answered_is_waited_for() {
        let (gate, entered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let work = {
            let (gate, entered, sizes) = (gate.clone(), entered.clone(), sizes.clone());
            move |batch: Arc<[u32]>| {
                sizes.lock().unwrap().push(batch.len());
                entered.notify_one();
                let gate = gate.clone();
                async move {
                    if batch[0] == 1 {
                        gate.notified().await;
                    }
                    Ok::<_, ()>(batch.to_vec())
                }
            }
        };
        let batcher = Batcher::start("test", LINGERING, work, |()| Blame::Everybody);
        let first = queued(&batcher, 1);
        entered.notified().await;
        let second = queued(&batcher, 2);
        gate.notify_one();
        assert_eq!(first.await.unwrap(), 1);
        // Time enough to begin the next batch, had it not to wait.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let (second, back) = tokio::join!(second, batcher.submit(3));
        assert_eq!((second.unwrap(), back.unwrap()), (2, 3));
        assert_eq!(*sizes.lock().unwrap(), [1, 2]);
    }

    #[tokio::test]
    async fn who_is_alone_waits_for_nobody() {
        let work = |batch: Arc<[u32]>| async move { Ok::<_, ()>(batch.to_vec()) };
        let batcher = Batcher::start("test", LINGERING, work, |()| Blame::Everybody);
        for n in 1..=3 {
            assert_eq!(batcher.submit(n).await.unwrap(), n);
        }
    }

    #[tokio::test]
    async fn one_bad_request_does_not_harm_its_neighbours() {
        let entered = Arc::new(Notify::new());
        let gate = Arc::new(Notify::new());
        let batcher = {
            let (entered, gate) = (entered.clone(), gate.clone());
            Batcher::start(
                "test",
                ONE_AT_A_TIME,
                move |batch: Arc<[u32]>| {
                    let (entered, gate) = (entered.clone(), gate.clone());
                    async move {
                        if batch[0] == 0 {
                            entered.notify_one();
                            gate.notified().await;
                        }
                        if batch.contains(&13) { Err("unlucky") } else { Ok(batch.to_vec()) }
                    }
                },
                |_| Blame::Somebody,
            )
        };
        let first = queued(&batcher, 0);
        entered.notified().await;
        let (good, bad) = (queued(&batcher, 7), queued(&batcher, 13));
        gate.notify_one();
        assert_eq!(first.await.unwrap(), 0);
        assert_eq!(good.await.unwrap(), 7);
        assert!(matches!(bad.await, Err(BatchError::Failed(error)) if *error == "unlucky"));
    }

    #[tokio::test]
    async fn a_batch_that_gave_way_is_tried_again_but_not_for_ever() {
        let tries = Arc::new(Mutex::new(0));
        let counted = tries.clone();
        let work = move |batch: Arc<[u32]>| {
            *counted.lock().unwrap() += 1;
            let late = *counted.lock().unwrap() >= batch[0];
            async move { if late { Ok(batch.to_vec()) } else { Err("in the way") } }
        };
        let batcher = Batcher::start("test", ONE_AT_A_TIME, work, |_| Blame::Nobody);
        assert_eq!(batcher.submit(ATTEMPTS).await.unwrap(), ATTEMPTS);
        *tries.lock().unwrap() = 0;
        assert!(matches!(batcher.submit(ATTEMPTS + 1).await, Err(BatchError::Failed(_))));
        assert_eq!(*tries.lock().unwrap(), ATTEMPTS);
    }

    #[tokio::test]
    async fn a_panic_costs_one_batch_and_no_worker() {
        let work = |batch: Arc<[u32]>| async move {
            assert_ne!(batch[0], 13, "unlucky");
            Ok::<_, ()>(batch.to_vec())
        };
        let batcher = Batcher::start("test", ONE_AT_A_TIME, work, |()| Blame::Everybody);
        assert!(matches!(batcher.submit(13).await, Err(BatchError::Lost)));
        assert_eq!(batcher.submit(7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn beyond_the_bound_a_request_is_refused() {
        let limits = Limits { batch: 1, waiting: 1, concurrency: 1, linger: Duration::ZERO };
        let entered = Arc::new(Notify::new());
        let signal = entered.clone();
        let batcher = Batcher::start(
            "test",
            limits,
            move |_: Arc<[u32]>| {
                signal.notify_one();
                std::future::pending::<Result<Vec<u32>, ()>>()
            },
            |()| Blame::Everybody,
        );
        let _at_work = queued(&batcher, 1);
        entered.notified().await;
        let _next = queued(&batcher, 2);
        while batcher.queue.capacity() == 0 {
            tokio::task::yield_now().await;
        }
        let _waiting = queued(&batcher, 3);
        assert!(matches!(batcher.submit(4).await, Err(BatchError::Full)));
    }

    #[tokio::test]
    async fn a_second_batch_is_begun_beside_the_first_only_when_enough_wait() {
        let limits = Limits { batch: 2 * WORTH_A_SECOND, waiting: 8, concurrency: 2, linger: Duration::ZERO };
        let (gate, entered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let work = {
            let (gate, entered, sizes) = (gate.clone(), entered.clone(), sizes.clone());
            move |batch: Arc<[u32]>| {
                sizes.lock().unwrap().push(batch.len());
                entered.notify_one();
                let gate = gate.clone();
                async move {
                    gate.notified().await;
                    Ok::<_, ()>(batch.to_vec())
                }
            }
        };
        let batcher = Batcher::start("test", limits, work, |()| Blame::Everybody);
        let first = queued(&batcher, 1);
        entered.notified().await;
        let second = queued(&batcher, 2);
        while batcher.queue.capacity() < 8 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*sizes.lock().unwrap(), [1], "one waits for the batch at work");
        let third = queued(&batcher, 3);
        entered.notified().await;
        assert_eq!(*sizes.lock().unwrap(), [1, 2], "two do not");
        let fourth = queued(&batcher, 4);
        gate.notify_waiters();
        assert_eq!((first.await.unwrap(), second.await.unwrap(), third.await.unwrap()), (1, 2, 3));
        gate.notify_one();
        assert_eq!(fourth.await.unwrap(), 4);
    }
}
