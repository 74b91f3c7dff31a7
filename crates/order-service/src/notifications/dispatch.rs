//! EDGE: sends what is queued, by each channel on its own.
//!
//! The outcome of a message is recorded at once, and only then does its connection take the next. If the process dies in
//! between, the message is due again when its lease ends: as many as there are connections may so be sent twice, with the
//! same Message-ID.

use crate::account_service;
use crate::notifications::channels::provider::{SendError, Taken};
use crate::notifications::channels::{Letter, Route};
use crate::notifications::codes::{self, NoCode};
use crate::notifications::domain::code::Code;
use crate::notifications::domain::log::{NO_CODE, code_id, facts};
use crate::notifications::domain::texts::Texts;
use crate::notifications::domain::{Channel, Facts, Kind};
use crate::notifications::error::Error;
use crate::notifications::state::Notifications;
use crate::notifications::store::queue::{self, AttemptOutcome, Queued, Tried};
use service_kit::batcher::{BatchError, Batcher, Blame, Limits};
use service_kit::db::Database;
use service_kit::retries::RetryDelays;
use service_kit::telemetry;
use service_kit::traces::{self, Span};
use service_kit::work_queue::{Claimed, TIME_TO_RECORD, WorkQueue};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often to look for what is due again, or was queued by another instance.
const POLL: Duration = Duration::from_millis(500);

/// Messages claimed at once for each connection, so that claiming costs little and a crash leaves few to wait.
const CLAIMED_PER_CONNECTION: usize = 8;

/// How long a message waits whose provider was away, while the circuit is not open yet; and between two attempts to
/// write what came of one.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a mail waits for its code while account-service is away. Mails about orders pass it meanwhile.
const PAUSE_FOR_CODE: Duration = Duration::from_secs(2);

/// Why a mail is given up whose code is good for nothing any more.
const CODE_GONE: &str = "its code has expired or was used";

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

    fn of(&self, channel: Channel) -> &Arc<Notify> {
        match channel {
            Channel::Email => &self.email,
            Channel::Sms => &self.sms,
        }
    }
}

/// Runs until `shutdown`. What is being sent then is finished, what is only claimed is given back.
pub async fn run(app: Arc<Notifications>, route: Route, shutdown: CancellationToken) {
    let patience = match route.channel {
        Channel::Email => route.patience + account_service::TIME_LIMIT,
        Channel::Sms => route.patience,
    };
    let queue = WorkQueue {
        name: route.name(),
        table: queue::table(route.channel),
        database: app.db.clone(),
        batch: 1,
        at_once: route.connections,
        claimed: route.connections * CLAIMED_PER_CONNECTION,
        patience,
        // A message that waits in this process may begin late: time for another one before it.
        lease: patience * 2 + TIME_TO_RECORD,
        poll: POLL,
        woken: app.wake.of(route.channel).clone(),
        circuit: Some(route.circuit.clone()),
    };
    let (route, token) = (Arc::new(route), shutdown.clone());
    let attempt = move |claimed: Vec<Claimed<Queued>>| {
        let (app, route, shutdown) = (app.clone(), route.clone(), token.clone());
        async move {
            for message in claimed {
                let outcome = traced_attempt(&app, &route, &message.work).await;
                record(&app, Tried { id: message.key, leased_until: message.leased_until, outcome }, &shutdown).await;
            }
            Ok::<_, Infallible>(())
        }
    };
    queue.run(attempt, shutdown).await;
}

/// Hands one message to the provider, in the trace of its event.
async fn traced_attempt(app: &Notifications, route: &Route, message: &Queued) -> AttemptOutcome {
    let cause = message.traceparent.as_deref();
    let Some(mut sending) = Span::under(cause, traces::Kind::Client, || format!("send {}", route.channel.as_str()))
    else {
        return attempt(app, route, message).await;
    };
    sending.text("oms.notification.kind", message.kind.as_str());
    sending.text("oms.notification.event_id", message.event_id.to_string());
    let outcome = telemetry::within(Some(sending.traceparent()), attempt(app, route, message)).await;
    // What the provider says may quote the recipient.
    match outcome {
        AttemptOutcome::Sent { .. } => {}
        AttemptOutcome::Failed { .. } => sending.fail("the provider did not take it"),
        AttemptOutcome::PutOff { .. } | AttemptOutcome::Waiting { .. } => sending.fail("it will be tried again"),
    }
    outcome
}

/// Hands one message to the provider.
async fn attempt(app: &Notifications, route: &Route, message: &Queued) -> AttemptOutcome {
    let outcome = match message.kind.parse::<Kind>() {
        // A newer build wrote it, and can send it.
        Err(_) => AttemptOutcome::Waiting { error: None, delay: PAUSE },
        Ok(kind) => match write(app, route.channel, kind, message).await {
            Err(outcome) => outcome,
            Ok(written) => send(app, route, written, message.attempts).await,
        },
    };
    let name = match outcome {
        AttemptOutcome::Sent { .. } => "sent",
        AttemptOutcome::Failed { .. } => "failed",
        AttemptOutcome::PutOff { .. } => "put_off",
        AttemptOutcome::Waiting { .. } => "waiting",
    };
    metrics::counter!("notification_attempts_total", "channel" => route.channel.as_str(), "outcome" => name)
        .increment(1);
    outcome
}

/// A message as it is sent, and as it is kept.
struct Written {
    letter: Letter,
    kept: Texts,
}

/// The message with its text, the same each time it is attempted. Or what comes of one that cannot be written.
async fn write(app: &Notifications, channel: Channel, kind: Kind, message: &Queued) -> Result<Written, AttemptOutcome> {
    let failed = |error: &str| AttemptOutcome::Failed { error: error.to_owned() };
    let kept = message.kept();
    let facts = facts(kind, &kept).ok_or_else(|| failed("there is nothing to tell"))?;
    let texts = |facts: &Facts| {
        app.outbound.texts(channel, kind, facts).map_err(|error| AttemptOutcome::Failed { error: error.to_string() })
    };
    let name = match &facts {
        Facts::Order(facts) => Some(facts.order.customer_name.clone()),
        Facts::Account(account) => account.name.clone(),
        Facts::Stock(_) => None,
    };
    let link = app.link(channel, &facts).await;
    let link = link.map_err(|_| AttemptOutcome::Waiting { error: None, delay: PAUSE })?;
    let (facts, code) = match (link, code_id(kind, &kept)) {
        (Some(link), _) => (facts.with_link(link.url), Some(Code::new(link.code))),
        (None, Some(id)) => (facts, Some(codes::take(&app.accounts, id).await.map_err(without)?)),
        (None, None) => (facts, None),
    };
    let without_code = texts(&facts)?;
    let (texts, kept) = match code {
        None => (without_code.clone(), without_code),
        Some(code) => {
            let texts = texts(&facts.with_code(code))?;
            let kept = if app.shows_codes { texts.clone() } else { without_code };
            (texts, kept)
        }
    };
    let message_id = format!("{}.{}", message.event_id, message.resends);
    let letter = Letter { recipient: message.recipient.clone(), name, message_id, texts };
    Ok(Written { letter, kept })
}

/// What comes of a mail without its code.
fn without(no_code: NoCode) -> AttemptOutcome {
    match no_code {
        NoCode::Gone => AttemptOutcome::Failed { error: CODE_GONE.to_owned() },
        NoCode::Away(reason) => {
            let error = Some(format!("{NO_CODE}: {reason}"));
            AttemptOutcome::Waiting { error, delay: PAUSE_FOR_CODE }
        }
    }
}

async fn send(app: &Notifications, route: &Route, written: Written, attempts: i32) -> AttemptOutcome {
    let Written { letter, kept } = written;
    match route.send(letter).await {
        Some(sent) => outcome(sent, kept, u32::try_from(attempts).unwrap_or_default() + 1, &app.delays),
        None => AttemptOutcome::Waiting { error: None, delay: PAUSE },
    }
}

/// What the provider's answer comes to, after the given number of attempts; `texts` are those that are kept.
fn outcome(sent: Result<Taken, SendError>, texts: Texts, attempts: u32, delays: &RetryDelays) -> AttemptOutcome {
    match sent {
        Ok(Taken { provider_id }) => {
            // Some reports name it with its angle brackets and some without.
            let provider_id = provider_id.map(|id| id.trim_matches(['<', '>']).to_owned());
            AttemptOutcome::Sent { provider_id, texts }
        }
        Err(SendError::Refused(error)) => AttemptOutcome::Failed { error },
        Err(SendError::PutOff { reason: error, retry_after }) => match delays.after(attempts) {
            Some(delay) => {
                let delay = Duration::from_millis(delay.into()).max(retry_after.unwrap_or_default());
                AttemptOutcome::PutOff { error, delay: delay.min(LONGEST) }
            }
            None => AttemptOutcome::Failed { error: format!("given up after {attempts} attempts: {error}") },
        },
        Err(SendError::Unavailable { reason, .. }) => AttemptOutcome::Waiting { error: Some(reason), delay: PAUSE },
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
                    AttemptOutcome::Sent { .. } => AttemptOutcome::Sent { provider_id: None, texts: Texts::default() },
                    _ => AttemptOutcome::Failed { error: "see the log".to_owned() },
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
    use super::{AttemptOutcome, CODE_GONE, LONGEST, NoCode, outcome, without};
    use crate::notifications::channels::provider::{SendError, Taken};
    use crate::notifications::domain::texts::Texts;
    use std::time::Duration;

    fn after(sent: Result<Taken, SendError>, attempts: u32) -> AttemptOutcome {
        outcome(sent, Texts::default(), attempts, &"1000,5000".parse().unwrap())
    }

    fn put_off(retry_after: Option<Duration>) -> Result<Taken, SendError> {
        Err(SendError::PutOff { reason: "busy".to_owned(), retry_after })
    }

    #[test]
    fn what_is_put_off_is_tried_as_often_as_a_message_of_a_consumer() {
        for (attempts, delay) in [(1, 1000), (2, 5000)] {
            let AttemptOutcome::PutOff { delay: seen, .. } = after(put_off(None), attempts) else { panic!() };
            assert!((delay * 4 / 5..=delay * 6 / 5).contains(&seen.as_millis()), "{seen:?}");
        }
        assert_eq!(
            after(put_off(None), 3),
            AttemptOutcome::Failed { error: "given up after 3 attempts: busy".to_owned() }
        );
    }

    #[test]
    fn a_provider_may_ask_for_more_time_but_not_for_ever() {
        for (wanted, given) in [(Duration::from_secs(90), Duration::from_secs(90)), (LONGEST * 9, LONGEST)] {
            assert_eq!(
                after(put_off(Some(wanted)), 1),
                AttemptOutcome::PutOff { error: "busy".to_owned(), delay: given }
            );
        }
    }

    #[test]
    fn a_provider_that_is_away_costs_no_attempt() {
        let away = Err(SendError::Unavailable { reason: "away".to_owned(), retry_after: None });
        assert!(matches!(after(away, 99), AttemptOutcome::Waiting { error: Some(_), .. }));
    }

    #[test]
    fn a_code_that_is_gone_ends_its_mail_and_one_that_cannot_be_had_does_not() {
        assert_eq!(without(NoCode::Gone), AttemptOutcome::Failed { error: CODE_GONE.to_owned() });
        let waits = without(NoCode::Away("no connection".to_owned()));
        assert!(matches!(waits, AttemptOutcome::Waiting { error: Some(_), .. }), "no attempt counts: {waits:?}");
    }

    #[test]
    fn a_message_id_is_kept_without_brackets() {
        let sent = after(Ok(Taken { provider_id: Some("<a.0@example.com>".to_owned()) }), 1);
        assert!(matches!(sent, AttemptOutcome::Sent { provider_id: Some(id), .. } if id == "a.0@example.com"));
        assert!(matches!(after(Err(SendError::Refused("no".to_owned())), 1), AttemptOutcome::Failed { .. }));
    }
}
