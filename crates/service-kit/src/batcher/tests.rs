//! Batches form, are bounded, and harm nobody.

use super::{ATTEMPTS, BatchError, Batcher, Blame, Entry, Limits, WORTH_A_SECOND, Worker};
use futures_util::FutureExt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

type Answering<E> = Pin<Box<dyn Future<Output = Result<u32, BatchError<E>>> + Send>>;

/// A request that is in the queue.
fn queued<E: Send + Sync + 'static>(batcher: &Batcher<u32, u32, E>, n: u32) -> Answering<E> {
    let batcher = batcher.clone();
    let mut answering: Answering<E> = Box::pin(async move { batcher.submit(n).await });
    assert!(answering.as_mut().now_or_never().is_none(), "answered before it was worked on");
    answering
}

/// A batcher whose batches wait at a gate.
struct Gated {
    batcher: Batcher<u32, u32, ()>,
    /// Lets batches through.
    gate: Arc<Notify>,
    /// Told of each batch that waits there.
    entered: Arc<Notify>,
    sizes: Arc<Mutex<Vec<usize>>>,
}

impl Gated {
    /// Each request is answered with what `answer` makes of it.
    fn start(limits: Limits, answer: fn(&u32) -> u32) -> Self {
        let (gate, entered, sizes) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::default());
        let work = {
            let (gate, entered, sizes) = (gate.clone(), entered.clone(), Arc::clone(&sizes));
            move |batch: Arc<[u32]>| {
                let sizes: &Mutex<Vec<usize>> = &sizes;
                sizes.lock().unwrap().push(batch.len());
                entered.notify_one();
                let gate = gate.clone();
                async move {
                    gate.notified().await;
                    Ok::<_, ()>(batch.iter().map(answer).collect())
                }
            }
        };
        let batcher = Batcher::start("test", limits, work, |()| Blame::Everybody);
        Self { batcher, gate, entered, sizes }
    }

    /// The sizes of the batches that were begun.
    fn sizes(&self) -> Vec<usize> {
        self.sizes.lock().unwrap().clone()
    }
}

const ONE_AT_A_TIME: Limits = Limits { batch: 8, waiting: 8, concurrency: 1, linger: Duration::ZERO };

#[tokio::test]
async fn what_arrives_meanwhile_shares_the_next_batch() {
    let gated = Gated::start(ONE_AT_A_TIME, |n| n * 10);
    let first = queued(&gated.batcher, 1);
    gated.entered.notified().await;
    let rest: Vec<_> = (2..=5).map(|n| queued(&gated.batcher, n)).collect();
    gated.gate.notify_one();
    gated.entered.notified().await;
    gated.gate.notify_one();
    assert_eq!(first.await.unwrap(), 10);
    for (answer, expected) in rest.into_iter().zip([20, 30, 40, 50]) {
        assert_eq!(answer.await.unwrap(), expected);
    }
    assert_eq!(gated.sizes(), [1, 4]);
}

const LINGERING: Limits = Limits { linger: Duration::from_secs(3600), ..ONE_AT_A_TIME };

#[tokio::test]
async fn who_was_just_answered_is_waited_for() {
    let gated = Gated::start(LINGERING, |n| *n);
    let first = queued(&gated.batcher, 1);
    gated.entered.notified().await;
    let second = queued(&gated.batcher, 2);
    gated.gate.notify_one();
    assert_eq!(first.await.unwrap(), 1);
    // Time enough to begin the next batch, had it not to wait.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gated.sizes(), [1]);
    gated.gate.notify_one();
    let (second, back) = tokio::join!(second, gated.batcher.submit(3));
    assert_eq!((second.unwrap(), back.unwrap()), (2, 3));
    assert_eq!(gated.sizes(), [1, 2]);
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
    let gated = Gated::start(limits, |n| *n);
    let first = queued(&gated.batcher, 1);
    gated.entered.notified().await;
    let second = queued(&gated.batcher, 2);
    while gated.batcher.queue.capacity() < 8 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gated.sizes(), [1], "one waits for the batch at work");
    let third = queued(&gated.batcher, 3);
    gated.entered.notified().await;
    assert_eq!(gated.sizes(), [1, 2], "two do not");
    let fourth = queued(&gated.batcher, 4);
    gated.gate.notify_waiters();
    assert_eq!((first.await.unwrap(), second.await.unwrap(), third.await.unwrap()), (1, 2, 3));
    gated.gate.notify_one();
    assert_eq!(fourth.await.unwrap(), 4);
}

#[tokio::test]
async fn a_batch_that_hangs_is_given_up() {
    let work = |_: Arc<[u32]>| std::future::pending::<Result<Vec<u32>, ()>>();
    let worker = Worker { name: "test", work, blame: |()| Blame::Somebody, patience: Duration::from_millis(10) };
    let (reply, answer) = oneshot::channel();
    let running = worker.run(vec![Entry { request: 1, reply, since: Instant::now() }]);
    tokio::time::timeout(Duration::from_secs(10), running).await.expect("it ends");
    assert!(answer.await.is_err(), "the waiting side sees it as lost");
}
