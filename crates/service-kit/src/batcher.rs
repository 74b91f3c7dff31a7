//! Collects what is waiting while the previous batch is at work, so that many requests share one transaction.
//!
//! There is no timer: an idle system adds no latency, a busy one shares commits, round trips and row locks.

use crate::panics::caught;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Bounds of a batcher.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests of one batch.
    pub batch: usize,
    /// Requests waiting; one more is refused.
    pub waiting: usize,
    /// Batches at work at the same time.
    pub concurrency: usize,
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
    /// Starts the workers of the queue `name`. `work` gives one answer for each request, in order, or fails for all of them; `blame` says
    /// what follows from a failure.
    pub fn start<Work, Fut>(name: &'static str, limits: Limits, work: Work, blame: fn(&E) -> Blame) -> Self
    where
        Work: Fn(Arc<[Request]>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<Answer>, E>> + Send + 'static,
    {
        let (queue, entries) = mpsc::channel(limits.waiting);
        let (entries, work) = (Arc::new(Mutex::new(entries)), Arc::new(work));
        for _ in 0..limits.concurrency {
            tokio::spawn(collect(name, entries.clone(), limits.batch, work.clone(), blame));
        }
        Self { name, queue }
    }

    /// Queues a request and waits for its answer.
    pub async fn submit(&self, request: Request) -> Result<Answer, BatchError<E>> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Entry { request, reply }).map_err(|_| BatchError::Full)?;
        waiting(self.name).increment(1.0);
        answer.await.map_err(|_| BatchError::Lost)?.map_err(BatchError::Failed)
    }
}

type Waiting<Request, Answer, E> = Arc<Mutex<mpsc::Receiver<Entry<Request, Answer, E>>>>;

/// How many requests wait in a queue.
fn waiting(queue: &'static str) -> metrics::Gauge {
    metrics::gauge!("batch_queue_length", "queue" => queue)
}

async fn collect<Request, Answer, E, Work, Fut>(
    name: &'static str,
    entries_waiting: Waiting<Request, Answer, E>,
    most: usize,
    work: Arc<Work>,
    blame: fn(&E) -> Blame,
) where
    Request: Clone,
    Work: Fn(Arc<[Request]>) -> Fut,
    Fut: Future<Output = Result<Vec<Answer>, E>>,
{
    loop {
        let mut entries = Vec::new();
        if entries_waiting.lock().await.recv_many(&mut entries, most).await == 0 {
            return;
        }
        waiting(name).decrement(entries.len() as f64);
        // Who has gone away by now gets no work done for nothing.
        entries.retain(|entry| !entry.reply.is_closed());
        if entries.is_empty() {
            continue;
        }
        let (requests, replies): (Vec<_>, Vec<_>) = entries.into_iter().map(|e| (e.request, e.reply)).unzip();
        let outcome = match caught(patiently(&*work, requests.clone().into(), blame)).await {
            Ok(outcome) => outcome,
            Err(panic) => {
                // The replies are dropped, which the waiting side sees as lost; the next batch is worked on.
                tracing::error!(queue = name, panic, "a batch was lost");
                continue;
            }
        };
        match outcome {
            Ok(answers) => replies.into_iter().zip(answers).for_each(|(reply, answer)| send(reply, Ok(answer))),
            Err(error) if requests.len() == 1 || blame(&error) == Blame::Everybody => {
                let error = Arc::new(error);
                replies.into_iter().for_each(|reply| send(reply, Err(error.clone())));
            }
            Err(_) => {
                for (request, reply) in requests.into_iter().zip(replies) {
                    // Without an answer, or after a panic, the reply is dropped, which the waiting side sees as lost.
                    match caught(patiently(&*work, Arc::new([request]), blame)).await {
                        Err(panic) => tracing::error!(queue = name, panic, "a request was lost"),
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
}

/// Tries a batch again that had to give way.
async fn patiently<Request, Answer, E, Work, Fut>(
    work: &Work,
    requests: Arc<[Request]>,
    blame: fn(&E) -> Blame,
) -> Result<Vec<Answer>, E>
where
    Work: Fn(Arc<[Request]>) -> Fut,
    Fut: Future<Output = Result<Vec<Answer>, E>>,
{
    let mut attempt = 1;
    loop {
        match work(requests.clone()).await {
            Err(error) if blame(&error) == Blame::Nobody && attempt < ATTEMPTS => {
                attempt += 1;
                metrics::counter!("batches_retried_total").increment(1);
            }
            outcome => return outcome,
        }
    }
}

fn send<T>(reply: oneshot::Sender<T>, answer: T) {
    // The client may have gone away; the work is done all the same.
    let _ = reply.send(answer);
}

#[cfg(test)]
mod tests {
    use super::{ATTEMPTS, BatchError, Batcher, Blame, Limits};
    use std::sync::{Arc, Mutex};
    use tokio::sync::Notify;

    const ONE_AT_A_TIME: Limits = Limits { batch: 8, waiting: 8, concurrency: 1 };

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
        let submit = |n| {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.submit(n).await.unwrap() })
        };
        let first = submit(1);
        entered.notified().await;
        let rest: Vec<_> = (2..=5).map(submit).collect();
        while batcher.queue.capacity() > 4 {
            tokio::task::yield_now().await;
        }
        gate.notify_one();
        entered.notified().await;
        gate.notify_one();
        assert_eq!(first.await.unwrap(), 10);
        for (task, expected) in rest.into_iter().zip([20, 30, 40, 50]) {
            assert_eq!(task.await.unwrap(), expected);
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 4]);
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
        let submit = |n| {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.submit(n).await })
        };
        let first = submit(0);
        entered.notified().await;
        let (good, bad) = (submit(7), submit(13));
        while batcher.queue.capacity() > 6 {
            tokio::task::yield_now().await;
        }
        gate.notify_one();
        assert_eq!(first.await.unwrap().unwrap(), 0);
        assert_eq!(good.await.unwrap().unwrap(), 7);
        assert!(matches!(bad.await.unwrap(), Err(BatchError::Failed(error)) if *error == "unlucky"));
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
        let limits = Limits { batch: 1, waiting: 1, concurrency: 1 };
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
        let submit = |n| {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.submit(n).await })
        };
        let at_work = submit(1);
        entered.notified().await;
        let waiting = submit(2);
        while batcher.queue.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(batcher.submit(3).await, Err(BatchError::Full)));
        at_work.abort();
        waiting.abort();
    }
}
