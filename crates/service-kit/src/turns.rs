//! Requests that change one object take turns. They wait for its row one after the other anyway, and each that waits inside the
//! database holds a connection, which changes of other objects and the jobs then lack.
//!
//! The turn is taken when a request begins its first transaction, so a client that sends its body slowly holds none, and is
//! over with the request.

use crate::idempotency::canonical;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request};
use axum::middleware::Next;
use axum::response::Response;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// Requests that change one object at once in this process.
const AT_ONCE: usize = 4;

/// How long a request waits for its turn before it is refused with 503.
const PATIENCE: Duration = Duration::from_secs(5);

static OBJECTS: LazyLock<Objects> = LazyLock::new(Objects::default);

tokio::task_local! {
    static REQUEST: Changing;
}

/// The objects that are being changed.
#[derive(Debug, Default)]
struct Objects(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Objects {
    fn enter(&self, object: &str) -> Arc<Semaphore> {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.entry(object.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone()
    }

    /// Forgets the object where nobody else is there. What the caller holds goes here, while the map is locked: of two who
    /// leave at once, the second finds that it is the last.
    fn leave(&self, object: &str, turns: Option<Arc<Semaphore>>) {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(turns);
        if objects.get(object).is_some_and(|turns| Arc::strong_count(turns) <= 1) {
            objects.remove(object);
        }
    }
}

/// A request that changes an object, and its turn once it has one.
#[derive(Debug)]
struct Changing {
    object: String,
    turn: OnceCell<Turn>,
}

/// The right to change an object until this is dropped.
#[derive(Debug)]
struct Turn {
    object: String,
    /// None once it is over.
    turns: Option<Arc<Semaphore>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    async fn take(object: &str) -> Result<Self, sqlx::Error> {
        let turns = OBJECTS.enter(object);
        let mut turn = Self { object: object.to_owned(), turns: Some(turns.clone()), permit: None };
        // Nobody closes it.
        let permit = tokio::time::timeout(PATIENCE, turns.acquire_owned()).await;
        turn.permit = permit.ok().and_then(Result::ok);
        if turn.permit.is_some() { Ok(turn) } else { Err(sqlx::Error::PoolTimedOut) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.permit = None;
        OBJECTS.leave(&self.object, self.turns.take());
    }
}

/// Has the request take its turn once it begins a transaction. A layer of the routes whose path names an object.
pub(crate) async fn taken(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let template = parts.extensions.get::<MatchedPath>().cloned();
    let parameters = RawPathParams::from_request_parts(&mut parts, &()).await;
    let request = Request::from_parts(parts, body);
    let named = template.as_ref().and_then(|template| template.as_str().split_once('{')).map(|(before, _)| before);
    let first = parameters.as_ref().ok().and_then(|parameters| parameters.iter().next());
    match (named, first) {
        (Some(before), Some((_, id))) => {
            let object = format!("{before}{}", canonical(id));
            REQUEST.scope(Changing { object, turn: OnceCell::new() }, next.run(request)).await
        }
        _ => next.run(request).await,
    }
}

/// Waits for the turn of the request at hand, if it changes an object and has none yet.
pub(crate) async fn wait() -> Result<(), sqlx::Error> {
    let Ok(object) = REQUEST.try_with(|request| (!request.turn.initialized()).then(|| request.object.clone())) else {
        return Ok(());
    };
    let Some(object) = object else { return Ok(()) };
    let turn = Turn::take(&object).await?;
    // A request has its transactions one after the other; if it had two at once, one turn is enough.
    let _ = REQUEST.try_with(|request| request.turn.set(turn).is_ok());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, Changing, OBJECTS, REQUEST, Turn, wait};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::sync::OnceCell;

    fn is_known(object: &str) -> bool {
        OBJECTS.0.lock().unwrap().contains_key(object)
    }

    #[tokio::test]
    async fn only_a_few_change_an_object_at_once() {
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE {
            turns.push(Turn::take("/api/orders/1").await.unwrap());
        }
        let one_more = tokio::time::timeout(Duration::from_millis(20), Turn::take("/api/orders/1"));
        assert!(one_more.await.is_err());
        drop(Turn::take("/api/orders/2").await.unwrap());
        turns.pop();
        turns.push(Turn::take("/api/orders/1").await.unwrap());
        turns.clear();
        assert!(!is_known("/api/orders/1") && !is_known("/api/orders/2"), "nothing is left behind");
    }

    #[test]
    fn an_object_that_two_leave_at_once_is_forgotten() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
        let (objects, arrived): (Vec<_>, _) =
            ((0..200_000).map(|id| format!("/api/carts/{id}")).collect(), AtomicUsize::new(0));
        let changes = || {
            for (round, object) in objects.iter().enumerate() {
                let turn = runtime.block_on(Turn::take(object)).unwrap();
                // Not a barrier: it wakes one later than the other.
                arrived.fetch_add(1, Ordering::SeqCst);
                while arrived.load(Ordering::SeqCst) < 2 * (round + 1) {
                    std::thread::yield_now();
                }
                drop(turn);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(changes);
            scope.spawn(changes);
        });
        assert_eq!(objects.iter().filter(|object| is_known(object)).count(), 0, "objects are left behind");
    }

    #[tokio::test]
    async fn a_request_has_one_turn_until_its_end() {
        let changing = Changing { object: "/api/orders/3".to_owned(), turn: OnceCell::new() };
        let free = || OBJECTS.enter("/api/orders/3").available_permits();
        REQUEST
            .scope(changing, async {
                wait().await.unwrap();
                wait().await.unwrap();
                assert_eq!(free(), AT_ONCE - 1);
            })
            .await;
        assert_eq!(free(), AT_ONCE);
        wait().await.unwrap();
    }
}
