//! Shows in the log what would have been sent if there were a way: a few texts a second, without what tells who the
//! customer is. All of them, in full, are in the notification log.

use crate::notifications::domain::log::{Kept, blacked_out, facts, masked};
use crate::notifications::domain::rules::NewNotification;
use crate::notifications::state::Notifications;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The most texts shown in a second: a log must not be flooded.
const PER_SECOND: usize = 10;

/// Takes what is to be shown; clones share the way.
#[derive(Clone, Debug)]
pub struct UnsentTexts {
    queue: mpsc::Sender<NewNotification>,
    omitted: Arc<AtomicU64>,
}

/// What waits to be shown.
#[derive(Debug)]
pub struct Waiting {
    queue: mpsc::Receiver<NewNotification>,
    omitted: Arc<AtomicU64>,
}

impl UnsentTexts {
    /// The way, and its end for [`run`].
    pub fn new() -> (Self, Waiting) {
        let (sender, queue) = mpsc::channel(PER_SECOND);
        let omitted = Arc::new(AtomicU64::new(0));
        (Self { queue: sender, omitted: omitted.clone() }, Waiting { queue, omitted })
    }

    /// Shows the messages, or counts those that are too many.
    pub fn show(&self, messages: impl Iterator<Item = NewNotification>) {
        let omitted = messages.filter_map(|message| self.queue.try_send(message).err()).count();
        self.omitted.fetch_add(omitted as u64, Ordering::Relaxed);
    }
}

/// Writes to the log until `shutdown`.
pub async fn run(app: Arc<Notifications>, mut waiting: Waiting, shutdown: CancellationToken) {
    let mut messages = Vec::new();
    while let Some(1..) = shutdown.run_until_cancelled(waiting.queue.recv_many(&mut messages, PER_SECOND)).await {
        messages.drain(..).for_each(|message| show(&app, &message));
        let omitted = waiting.omitted.swap(0, Ordering::Relaxed);
        if omitted > 0 {
            tracing::info!(omitted, "more messages are not sent; GET /api/notifications?status=SKIPPED shows them");
        }
        shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await;
    }
}

fn show(app: &Notifications, message: &NewNotification) {
    let kept = Kept { data: Some(message.data.as_ref().to_owned()), placed_data: None };
    let Some(facts) = facts(message.kind, &kept) else { return };
    let texts = match app.outbound.texts(message.channel, message.kind, &blacked_out(facts)) {
        Ok(texts) => texts,
        Err(error) => {
            tracing::warn!(%error, "a message has no text");
            return;
        }
    };
    tracing::info!(
        channel = %message.channel,
        kind = %message.kind,
        order = message.order_id.map(|id| id.0),
        recipient = message.recipient.as_deref().map(masked),
        subject = texts.subject,
        text = texts.text,
        "not sent: {}",
        message.reason.as_deref().unwrap_or_default()
    );
}
