//! EDGE: sends what is queued, by each channel on its own.
//!
//! A message is claimed for a time, in a transaction of its own, before it is sent; what came of it is written in a second
//! one, at once, and only then does the connection take the next. Whoever dies in between leaves messages that are due
//! again when the claim has run out: as many as there are connections may so be sent twice, with the same Message-ID.

use crate::notifications::channels::provider::{SendError, Taken};
use crate::notifications::channels::{Letter, Route};
use crate::notifications::domain::Channel;
use crate::notifications::domain::log::{Texts, facts};
use crate::notifications::error::Error;
use crate::notifications::state::Notifications;
use crate::notifications::store::queue::{self, Claimed, Outcome, Tried};
use crate::orders::{self, Order};
use service_kit::batcher::{BatchError, Batcher, Blame, Limits};
use service_kit::db::Database;
use service_kit::retries::RetryDelays;
use shared_types::OrderId;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often to look for what is due again, or was queued by another instance.
const POLL: Duration = Duration::from_millis(500);

/// How much longer than two attempts a claim lasts: time to write what came of the last.
const TIME_TO_WRITE: Duration = Duration::from_secs(3);

/// Messages claimed at once for each connection, so that claiming costs little and a crash leaves few to wait.
const CLAIMED_PER_CONNECTION: usize = 8;

/// How long a message waits whose provider was away, while the circuit is not open yet; and between two attempts to
/// write what came of one.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest that a provider can put a message off.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The queue in which what came of attempts waits to be written.
pub type Outcomes = Batcher<Tried, (), Error>;

/// Starts the batcher that writes what came of attempts: those that end at the same time share a commit.
pub fn start_outcomes(db: Database) -> Outcomes {
    let work = move |tried: Arc<[Tried]>| {
        let db = db.clone();
        async move {
            let mut transaction = db.begin().await?;
            queue::record(&mut transaction, &tried).await?;
            db.commit(transaction).await?;
            Ok(vec![(); tried.len()])
        }
    };
    Batcher::start(
        "notification-outcomes",
        Limits { batch: 128, waiting: 4096, concurrency: 1, linger: Duration::ZERO },
        work,
        Error::blame,
    )
}

/// Tells the dispatchers that there is something to send; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Wake {
    email: Arc<Notify>,
    sms: Arc<Notify>,
}

impl Wake {
    /// Wakes those of the channels.
    pub fn up(&self, channels: impl IntoIterator<Item = Channel>) {
        for channel in channels {
            self.of(channel).notify_one();
        }
    }

    fn of(&self, channel: Channel) -> &Notify {
        match channel {
            Channel::Email => &self.email,
            Channel::Sms => &self.sms,
        }
    }
}

/// A message that is claimed, with what its text is made of.
struct Message {
    claimed: Claimed,
    order: Option<Order>,
    /// On the clock of this process.
    leased_until: Instant,
}

/// One channel at work.
struct Dispatcher {
    app: Arc<Notifications>,
    route: Arc<Route>,
    shutdown: CancellationToken,
    lease: Duration,
    waiting: VecDeque<Message>,
    at_work: JoinSet<()>,
}

/// Runs until `shutdown`. What is being sent then is finished, what is only claimed is given back.
pub async fn run(app: Arc<Notifications>, route: Route, shutdown: CancellationToken) {
    let lease = route.patience * 2 + TIME_TO_WRITE;
    let (waiting, at_work) = (VecDeque::new(), JoinSet::new());
    Dispatcher { app, route: Arc::new(route), shutdown, lease, waiting, at_work }.run().await;
}

impl Dispatcher {
    async fn run(mut self) {
        let shutdown = self.shutdown.clone();
        let wake = self.app.wake.clone();
        let (mut look, mut next_look, mut failing) = (true, Instant::now(), false);
        while !shutdown.is_cancelled() {
            let permits = self.route.circuit.permits(self.route.connections);
            if permits == 0 {
                self.give_back().await;
            }
            if look && self.waiting.is_empty() && self.at_work.len() < permits {
                // One to try is enough while the provider may still be away.
                let wanted = if permits < self.route.connections { 1 } else { permits * CLAIMED_PER_CONNECTION };
                match self.claim(wanted).await {
                    Ok(()) => {
                        look = self.waiting.len() == wanted;
                        failing = false;
                    }
                    Err(error) => {
                        if !failing {
                            tracing::warn!(channel = %self.route.channel, %error, "messages wait for the database");
                        }
                        (look, failing) = (false, true);
                    }
                }
                next_look = Instant::now() + POLL;
            }
            self.begin(permits);
            let idle = self.waiting.is_empty();
            tokio::select! {
                () = wake.of(self.route.channel).notified(), if idle && permits > 0 => look = true,
                Some(ended) = self.at_work.join_next() => if let Err(error) = ended {
                    tracing::error!(channel = %self.route.channel, %error, "a message was lost sight of; it is due again later");
                },
                () = tokio::time::sleep_until(next_look), if idle && permits > 0 => {
                    look = true;
                    next_look = Instant::now() + POLL;
                }
                () = tokio::time::sleep(self.route.circuit.remaining()), if permits == 0 => look = true,
                () = shutdown.cancelled() => {}
            }
        }
        self.give_back().await;
        while self.at_work.join_next().await.is_some() {}
    }

    /// Takes messages that are due, and reads the orders that they are about.
    async fn claim(&mut self, wanted: usize) -> Result<(), Error> {
        let leased_until = Instant::now() + self.lease;
        let limit = i64::try_from(wanted).unwrap_or(i64::MAX);
        let mut transaction = self.app.db.begin().await?;
        let claimed = queue::claim(&mut transaction, self.route.channel, limit, self.lease).await?;
        if claimed.is_empty() {
            return Ok(());
        }
        self.app.db.commit(transaction).await?;
        let mut ids: Vec<OrderId> = claimed.iter().filter_map(|message| message.order_id).collect();
        ids.dedup();
        let found = orders::find_all(self.app.db.pool(), &ids).await?;
        let found: HashMap<OrderId, Order> = found.into_iter().map(|order| (order.id, order)).collect();
        self.waiting.extend(claimed.into_iter().map(|claimed| {
            let order = claimed.order_id.and_then(|id| found.get(&id).cloned());
            Message { claimed, order, leased_until }
        }));
        Ok(())
    }

    /// Begins as many messages as may be under way. None whose claim could run out while it is sent: it is due again.
    fn begin(&mut self, permits: usize) {
        while self.at_work.len() < permits {
            let Some(message) = self.waiting.pop_front() else { return };
            if message.leased_until < Instant::now() + self.route.patience + TIME_TO_WRITE / 2 {
                continue;
            }
            let (app, route, shutdown) = (self.app.clone(), self.route.clone(), self.shutdown.clone());
            self.at_work.spawn(async move {
                let tried = attempt(&app, &route, message).await;
                record(&app, tried, &shutdown).await;
            });
        }
    }

    /// Makes what is claimed and not begun due again, for whoever can send it.
    async fn give_back(&mut self) {
        let outcome = Outcome::Waiting { error: None, delay: Duration::ZERO };
        let tried: Vec<Tried> =
            self.waiting.drain(..).map(|message| tried(&message.claimed, outcome.clone())).collect();
        if tried.is_empty() {
            return;
        }
        let giving = async {
            let mut transaction = self.app.db.begin().await?;
            queue::record(&mut transaction, &tried).await?;
            self.app.db.commit(transaction).await
        };
        if let Err(error) = giving.await {
            tracing::warn!(channel = %self.route.channel, %error, "messages cannot be given back; they are due again later");
        }
    }
}

fn tried(claimed: &Claimed, outcome: Outcome) -> Tried {
    Tried { id: claimed.id, leased_until: claimed.leased_until, outcome }
}

/// Hands one message to the provider.
async fn attempt(app: &Notifications, route: &Route, message: Message) -> Tried {
    let Message { claimed, order, .. } = message;
    let outcome = match write(app, route.channel, &claimed, order.as_ref()) {
        Err(error) => Outcome::Failed { error },
        Ok(letter) => {
            let texts = letter.texts.clone();
            match route.send(letter).await {
                Some(sent) => outcome(sent, texts, claimed.attempts + 1, &app.delays),
                None => Outcome::Waiting { error: None, delay: PAUSE },
            }
        }
    };
    let name = match outcome {
        Outcome::Sent { .. } => "sent",
        Outcome::Failed { .. } => "failed",
        Outcome::PutOff { .. } => "put_off",
        Outcome::Waiting { .. } => "waiting",
    };
    metrics::counter!("notification_attempts_total", "channel" => route.channel.as_str(), "outcome" => name)
        .increment(1);
    tried(&claimed, outcome)
}

/// The message with its text. The same each time it is attempted, but for what has changed in the order.
fn write(app: &Notifications, channel: Channel, claimed: &Claimed, order: Option<&Order>) -> Result<Letter, String> {
    let facts = facts(order, claimed.facts.as_deref()).ok_or("there is nothing to tell")?;
    let texts = app.outbound.texts(channel, claimed.kind, &facts).map_err(|error| error.to_string())?;
    Ok(Letter {
        recipient: claimed.recipient.clone(),
        name: order.map(|order| order.customer_name.clone()),
        message_id: format!("{}.{}", claimed.event_id, claimed.resends),
        texts,
    })
}

/// What the provider's answer comes to, after the given number of attempts.
fn outcome(sent: Result<Taken, SendError>, texts: Texts, attempts: u32, delays: &RetryDelays) -> Outcome {
    match sent {
        Ok(Taken { provider_id }) => {
            // Some reports name it with its angle brackets and some without.
            let provider_id = provider_id.map(|id| id.trim_matches(['<', '>']).to_owned());
            Outcome::Sent { provider_id, texts }
        }
        Err(SendError::Refused(error)) => Outcome::Failed { error },
        Err(SendError::PutOff { reason: error, retry_after }) => match delays.after(attempts) {
            Some(delay) => {
                let delay = Duration::from_millis(delay.into()).max(retry_after.unwrap_or_default());
                Outcome::PutOff { error, delay: delay.min(LONGEST) }
            }
            None => Outcome::Failed { error: format!("given up after {attempts} attempts: {error}") },
        },
        Err(SendError::Unavailable { reason, .. }) => Outcome::Waiting { error: Some(reason), delay: PAUSE },
    }
}

/// Writes what came of an attempt, however long it takes: what is sent and not written is sent again.
async fn record(app: &Notifications, tried: Tried, shutdown: &CancellationToken) {
    let mut tried = tried;
    loop {
        match app.outcomes.submit(tried.clone()).await {
            Ok(()) => return,
            Err(BatchError::Failed(error)) if error.blame() == Blame::Somebody => {
                // Whatever it is that cannot be written, that the message was sent can.
                tracing::error!(notification = tried.id, %error, "what came of a message cannot be written in full");
                tried.outcome = match tried.outcome {
                    Outcome::Sent { .. } => Outcome::Sent { provider_id: None, texts: Texts::default() },
                    _ => Outcome::Failed { error: "see the log".to_owned() },
                };
            }
            Err(error) => {
                tracing::warn!(notification = tried.id, %error, "what came of a message cannot be written, trying again");
            }
        }
        if shutdown.is_cancelled() && OffsetDateTime::now_utc() > tried.leased_until {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Outcome, outcome};
    use crate::notifications::channels::provider::{SendError, Taken};
    use crate::notifications::domain::log::Texts;
    use std::time::Duration;

    fn after(sent: Result<Taken, SendError>, attempts: u32) -> Outcome {
        outcome(sent, Texts::default(), attempts, &"1000,5000".parse().unwrap())
    }

    fn put_off(retry_after: Option<Duration>) -> Result<Taken, SendError> {
        Err(SendError::PutOff { reason: "busy".to_owned(), retry_after })
    }

    #[test]
    fn what_is_put_off_is_tried_as_often_as_a_message_of_a_consumer() {
        for (attempts, delay) in [(1, 1000), (2, 5000)] {
            let Outcome::PutOff { delay: seen, .. } = after(put_off(None), attempts) else { panic!() };
            assert!((delay * 4 / 5..=delay * 6 / 5).contains(&seen.as_millis()), "{seen:?}");
        }
        assert_eq!(after(put_off(None), 3), Outcome::Failed { error: "given up after 3 attempts: busy".to_owned() });
    }

    #[test]
    fn a_provider_may_ask_for_more_time_but_not_for_ever() {
        for (wanted, given) in [(Duration::from_secs(90), Duration::from_secs(90)), (LONGEST * 9, LONGEST)] {
            assert_eq!(after(put_off(Some(wanted)), 1), Outcome::PutOff { error: "busy".to_owned(), delay: given });
        }
    }

    #[test]
    fn a_provider_that_is_away_costs_no_attempt() {
        let away = Err(SendError::Unavailable { reason: "away".to_owned(), retry_after: None });
        assert!(matches!(after(away, 99), Outcome::Waiting { error: Some(_), .. }));
    }

    #[test]
    fn a_message_id_is_kept_without_brackets() {
        let sent = after(Ok(Taken { provider_id: Some("<a.0@example.com>".to_owned()) }), 1);
        assert!(matches!(sent, Outcome::Sent { provider_id: Some(id), .. } if id == "a.0@example.com"));
        assert!(matches!(after(Err(SendError::Refused("no".to_owned())), 1), Outcome::Failed { .. }));
    }
}
