//! Consumes a queue: whole batches in one transaction with their inbox rows, acknowledged after the commit.
//!
//! A batch that fails is taken apart, so that a bad event harms only itself: it is tried again after growing delays, on
//! its own, and set aside with its reason when that cannot help. While the database is away nothing is given back:
//! the batch in hand waits for it.

mod dry_run;
mod failure;

pub use self::dry_run::{DryRun, DryRuns, Outcome, TableChanges};

use self::failure::{Failure, Pace, without_values};
use crate::broker::{Broker, BrokerError, RECONNECT_PAUSE};
use crate::db::{self, Database, PATIENCE};
use crate::dead_letters::{DeadLetters, NewLetter};
use crate::deliveries::{self, Deliveries};
use crate::inbox::Inbox;
use crate::panics::caught;
use crate::retries::{self, Tries};
use crate::schema::Schema;
use crate::traces::{Kind, Shared};
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use shared_types::event_batches::split;
use shared_types::events::{RawEvent, UnreadableEvent};
use shared_types::topology::{DELIVERY_LIMIT, Queue};
use sqlx::{Connection, PgConnection};
use std::collections::HashSet;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What becomes of a message whose handling failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It is done with all the same.
    Ack,
    /// Later it may succeed.
    Retry,
    /// Something else holds what it needs: later it succeeds, however often it has to come again until then.
    Wait,
    /// It can never succeed.
    DeadLetter,
}

/// An error of a handler, which knows what becomes of the message.
pub trait HandlerError: Display + From<UnreadableEvent> + From<sqlx::Error> + Send + Sync + 'static {
    /// What becomes of the message.
    fn decision(&self) -> Decision;

    /// Whether the database was away, which is no message's fault.
    fn is_unavailable(&self) -> bool;
}

/// What a consumer does with its events, in the transaction it is given; each event comes once.
pub trait Handler: Send + Sync + 'static {
    /// The service's error.
    type Error: HandlerError;
    /// What came of the events.
    type Effect: Send;

    /// How long to wait after a batch that was all there was: where nobody waits for the effect, the next one is larger
    /// for it, and a batch costs less for each event.
    const PAUSE: Duration = Duration::ZERO;

    /// Works on the events in the order they came.
    fn handle(
        &self,
        conn: &mut PgConnection,
        events: &[RawEvent],
    ) -> impl Future<Output = Result<Self::Effect, Self::Error>> + Send;

    /// Learns that the effect is committed.
    fn committed(&self, _effect: Self::Effect) {}
}

/// One queue, the service it belongs to, and where its tables are.
#[derive(Clone, Debug)]
pub struct Consumer<H> {
    /// The queue.
    pub queue: Queue,
    /// Schema of the inbox and the dead letters.
    pub schema: Schema,
    /// What to do with the events.
    pub handler: H,
}

/// A consumer at work: what every step of it needs.
struct Session<'a, H> {
    consumer: &'a Consumer<H>,
    database: &'a Database,
    broker: &'a Broker,
    shutdown: &'a CancellationToken,
}

impl<H: Handler> Consumer<H> {
    /// Runs until `shutdown`, across every loss of the broker and of the database.
    pub async fn run(self: Arc<Self>, database: Database, broker: Broker, shutdown: CancellationToken) {
        let session = Session { consumer: &self, database: &database, broker: &broker, shutdown: &shutdown };
        while !shutdown.is_cancelled() {
            let outcome = caught(session.run()).await;
            if let Err(error) = outcome.and_then(|outcome| outcome.map_err(|error| error.to_string())) {
                broker.report(self.queue.name, Err(error));
            }
            shutdown.run_until_cancelled(tokio::time::sleep(RECONNECT_PAUSE)).await;
        }
    }

    /// Claims events, sorted and different, in a transaction that was just begun; gives those that nobody has dealt with.
    ///
    /// None where another consumer has just dealt with some: the transaction has failed, and another one is to claim them
    /// `again`.
    async fn claim(
        &self,
        conn: &mut PgConnection,
        events: &[Uuid],
        again: bool,
    ) -> Result<Option<HashSet<Uuid>>, sqlx::Error> {
        let (inbox, consumer) = (Inbox(self.schema), self.queue.name);
        let claim = if again {
            inbox.claim(conn, consumer, events).await
        } else {
            inbox.claim_new(conn, consumer, events).await.map(|()| events.iter().copied().collect())
        };
        match claim {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(None),
            claim => claim.map(Some),
        }
    }
}

impl<H: Handler> Session<'_, H> {
    /// Works on the queue, and beside it sets aside what the broker handed out in vain, over one connection.
    async fn run(&self) -> Result<(), BrokerError> {
        let queue = self.consumer.queue;
        let (link, channel) = self.broker.connect(queue.name, &[queue]).await?;
        let second_channel = link.open_channel().await?;
        let mut events = Deliveries::of(&channel, queue.name).await?;
        let mut undeliverable = Deliveries::of(&second_channel, &queue.undeliverable()).await?;
        self.broker.report(queue.name, Ok(()));
        let settling = async {
            while let Some(batch) = events.next(self.shutdown).await? {
                self.settle(&channel, &batch).await?;
                if !H::PAUSE.is_zero() && !deliveries::is_full(&batch) {
                    self.shutdown.run_until_cancelled(tokio::time::sleep(H::PAUSE)).await;
                }
            }
            Ok::<_, BrokerError>(())
        };
        let draining = async {
            while let Some(batch) = undeliverable.next(self.shutdown).await? {
                self.drain(&batch).await?;
            }
            Ok(())
        };
        let watching = deliveries::watch(&second_channel, self.shutdown);
        tokio::try_join!(settling, draining, watching).map(|_| ())
    }

    /// Brings a batch to its end: the effect of each event is committed, or its retry is confirmed by the broker, or it
    /// is set aside; only then is its message acknowledged.
    async fn settle(&self, channel: &Channel, batch: &[Delivery]) -> Result<(), BrokerError> {
        let messages: Vec<Vec<&[u8]>> = batch.iter().map(|message| split(&message.data)).collect();
        let outcome = self.attempt(&messages.concat(), Pace::Usual).await?;
        if outcome.is_ok() {
            if let Some(last) = batch.last() {
                last.acker.ack(BasicAckOptions { multiple: true }).await?;
            }
            return Ok(());
        }
        let mut pace = Pace::Usual.after(&outcome);
        for (message, events) in batch.iter().zip(messages) {
            let mut is_done = false;
            if events.len() > 1 {
                let outcome = self.attempt(&events, pace).await?;
                pace = pace.after(&outcome);
                is_done = outcome.is_ok();
            }
            for event in if is_done { Vec::new() } else { events } {
                let outcome = self.attempt(&[event], pace).await?;
                pace = pace.after(&outcome);
                if let Err(failure) = outcome {
                    self.give_up_for_now(channel, message, event, &failure).await?;
                }
            }
            message.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(())
    }

    /// Sets aside what was delivered too often: whoever was given it died on it, again and again.
    async fn drain(&self, batch: &[Delivery]) -> Result<(), BrokerError> {
        // One more than the limit, which is on how often it may come again. The message does not say: `x-death` counts
        // how often it was set aside, and `x-delivery-count` is begun anew by the queue in which it is now.
        let deliveries = DELIVERY_LIMIT + 1;
        let reason = format!("delivered {deliveries} times without being acknowledged");
        for message in batch {
            for event in split(&message.data) {
                self.set_aside(message, event, &reason, deliveries).await?;
            }
            message.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(())
    }

    /// One transaction over the events. A panic is a failure like others: it must not cost other messages a delivery.
    async fn attempt(&self, events: &[&[u8]], pace: Pace) -> Result<Result<(), Failure<H::Error>>, BrokerError> {
        let work = || async move {
            let outcome = caught(self.transaction(events, pace)).await;
            outcome.unwrap_or_else(|panic| Err(Failure::Panicked(panic)))
        };
        self.with_patience(Failure::is_unavailable, work).await
    }

    /// Does `work`; waits for the database as long as that is what is missing.
    async fn with_patience<E, Work>(
        &self,
        is_unavailable: fn(&E) -> bool,
        work: impl Fn() -> Work,
    ) -> Result<Result<(), E>, BrokerError>
    where
        E: Display,
        Work: Future<Output = Result<(), E>>,
    {
        let mut said = false;
        loop {
            match work().await {
                Err(error) if is_unavailable(&error) => {
                    if !said {
                        tracing::warn!(queue = self.consumer.queue.name, %error, "messages wait for the database");
                        said = true;
                    }
                    let pause = tokio::time::sleep(RECONNECT_PAUSE);
                    if self.shutdown.run_until_cancelled(pause).await.is_none() {
                        return Err(BrokerError::Closed);
                    }
                }
                outcome => return Ok(outcome),
            }
        }
    }

    async fn transaction(&self, events: &[&[u8]], pace: Pace) -> Result<(), Failure<H::Error>> {
        let Consumer { queue, handler, .. } = self.consumer;
        let events = events.iter().map(|event| RawEvent::parse(event));
        let mut events = events.collect::<Result<Vec<_>, UnreadableEvent>>().map_err(H::Error::from)?;
        let mut processing = processing(*queue, &events);
        for event in &mut events {
            // What follows from an event is caused by its processing.
            if let Some(traceparent) = processing.traceparent_under(event.traceparent.as_deref()) {
                event.traceparent = Some(traceparent);
            }
        }
        let mut conn = self.database.hold().await.map_err(H::Error::from)?;
        let outcome = match tokio::time::timeout(PATIENCE, self.effect(&mut conn, &mut events, pace)).await {
            Ok(outcome) => {
                conn.give_back();
                outcome.map_err(Failure::Handler)
            }
            Err(_) => Err(Failure::NoAnswer),
        };
        let effect = outcome.inspect_err(|error| processing.fail(|| without_values(&error.to_string()).into()))?;
        drop(processing);
        handler.committed(effect);
        metrics::counter!("events_consumed_total", "queue" => queue.name).increment(events.len() as u64);
        Ok(())
    }

    /// Commits the effect of those events that nobody has dealt with; the others are taken out.
    async fn effect(
        &self,
        conn: &mut PgConnection,
        events: &mut Vec<RawEvent>,
        pace: Pace,
    ) -> Result<H::Effect, H::Error> {
        let mut ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut again = false;
        loop {
            let mut transaction = conn.begin().await?;
            if pace == Pace::Hurried {
                sqlx::query("SET LOCAL statement_timeout = '1s'").execute(&mut *transaction).await?;
            }
            let Some(fresh) = self.consumer.claim(&mut transaction, &ids, again).await? else {
                // Its locks are let go before the next one asks for them.
                transaction.rollback().await?;
                again = true;
                continue;
            };
            let mut seen = HashSet::new();
            events.retain(|event| fresh.contains(&event.id) && seen.insert(event.id));
            let effect = self.consumer.handler.handle(&mut transaction, events).await?;
            self.database.commit(transaction).await?;
            return Ok(effect);
        }
    }

    /// Sends an event that failed to its delay queue, or sets it aside.
    async fn give_up_for_now(
        &self,
        channel: &Channel,
        message: &Delivery,
        event: &[u8],
        failure: &Failure<H::Error>,
    ) -> Result<(), BrokerError> {
        let queue = self.consumer.queue;
        let (tries, delays) = (Tries::of(message), self.broker.retry_delays());
        let decision = failure.decision();
        let tries = if decision == Decision::Wait { tries.and_a_wait() } else { tries.and_an_attempt() };
        let delay = match decision {
            Decision::Ack => return Ok(()),
            Decision::Wait => delays.after_wait(tries.waits),
            Decision::Retry => delays.after_attempt(tries.attempts),
            Decision::DeadLetter => None,
        };
        let Some(delay) = delay else {
            return self.set_aside(message, event, &failure.to_string(), tries.attempts).await;
        };
        let (error, Tries { attempts, waits }) = (without_values(&failure.to_string()), tries);
        tracing::warn!(queue = queue.name, attempts, waits, delay_ms = delay.ms, error, "message will be tried again");
        retries::put_off(channel, queue, message, event, tries, delay).await
    }

    /// Keeps an event as a dead letter; it waits in hand while the database is away.
    async fn set_aside(
        &self,
        message: &Delivery,
        event: &[u8],
        reason: &str,
        attempts: u32,
    ) -> Result<(), BrokerError> {
        let Consumer { queue, schema, .. } = self.consumer;
        let consumer = queue.name;
        let told = without_values(reason);
        tracing::error!(queue = consumer, attempts, reason = told, "message is set aside as a dead letter");
        let sent_as = message.properties.kind().as_ref().unwrap_or(&message.routing_key).as_str();
        let letter = NewLetter { consumer, sent_as, body: event, reason, attempts, is_opaque: false };
        let keep = |letter| {
            self.with_patience(db::is_passing, move || DeadLetters(*schema).set_aside(self.database.pool(), letter))
        };
        if let Err(error) = keep(letter).await? {
            // Something in it cannot be stored beside it. Without a letter the message would come again for ever.
            tracing::error!(queue = consumer, %error, "a dead letter is kept without what it is about");
            keep(NewLetter { is_opaque: true, ..letter }).await??;
        }
        metrics::counter!("dead_letters_total", "queue" => consumer).increment(1);
        Ok(())
    }
}

/// The processing of the events, in each of their traces that is recorded.
fn processing(queue: Queue, events: &[RawEvent]) -> Shared {
    let parents = events.iter().map(|event| event.traceparent.as_deref());
    let mut processing = Shared::under(parents, Kind::Consumer, || format!("process {}", queue.name));
    processing.text("messaging.system", "rabbitmq");
    processing.text("messaging.operation.type", "process");
    processing.text("messaging.destination.name", queue.name);
    processing.number("messaging.batch.message_count", i64::try_from(events.len()).unwrap_or(i64::MAX));
    processing
}

/// The [`Decision`] for a database error: what the database may accept later is tried again.
pub fn decide_database_error(error: &sqlx::Error) -> Decision {
    match error {
        _ if db::is_timed_out(error) => Decision::Wait,
        sqlx::Error::Database(_) if !db::is_unavailable(error) && !db::is_conflict(error) => Decision::DeadLetter,
        _ => Decision::Retry,
    }
}
