//! What is done with messages to customers and to the shop: write them, queue them again, erase them. Sending is not
//! among it: no command can reach the network.

mod earlier_builds;
pub mod erase;
mod money;

use crate::notifications::domain::announced::Announced;
use crate::notifications::domain::log::{Notification, phone};
use crate::notifications::domain::rules::{NO_OPERATIONS_ADDRESS, NewNotification, Ways, messages};
use crate::notifications::domain::{Channel, Status};
use crate::notifications::error::Error;
use crate::notifications::store::reports::{self, Report};
use crate::notifications::store::{self, Entry, queue};
use sqlx::PgConnection;

/// Writes the messages that the events make; gives them. None is made for somebody who was erased after the event.
///
/// The number of statements is the same for one event and for thousands.
pub async fn write(
    conn: &mut PgConnection,
    ways: &Ways,
    mut events: Vec<Announced<'_>>,
) -> Result<Vec<NewNotification>, Error> {
    earlier_builds::fill_in(conn, &mut events).await?;
    money::fill_in(conn, &mut events).await?;
    erase::leave_out_erased(conn, &mut events).await?;
    let happenings = events.into_iter().filter_map(Announced::happening);
    let rows: Vec<NewNotification> = happenings.flat_map(|happening| messages(ways, happening)).collect();
    match store::insert(conn, &rows).await {
        // Each partition has a name of its own for the constraint, and there is no other one that a new message could break.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(Error::AlreadyWritten),
        written => Ok(written.map(|()| rows)?),
    }
}

/// Locks a message for a change.
pub async fn lock(conn: &mut PgConnection, id: i64) -> Result<Entry, Error> {
    queue::lock(conn, id).await?;
    store::find(&mut *conn, id).await?.ok_or(Error::UnknownNotification(id))
}

/// Queues a locked message again; gives it as it is then.
///
/// Fails where it waits already, was erased, its channel is not set up, or there is still nobody to send it to. A
/// recipient that was lacking is looked for again, and so is a number, which may stand there as the customer wrote it:
/// what was wrong with the settings may have been put right.
pub async fn resend(conn: &mut PgConnection, ways: &Ways, entry: &Entry) -> Result<Notification, Error> {
    let message = &entry.notification;
    queue::queue_again(conn, message.id, &can_resend(ways, entry)?).await?;
    let entry = store::find(&mut *conn, message.id).await?.ok_or(Error::UnknownNotification(message.id))?;
    Ok(entry.notification)
}

/// To whom a message would be sent again, or why it cannot be.
pub fn can_resend(ways: &Ways, entry: &Entry) -> Result<String, Error> {
    let message = &entry.notification;
    if message.erased_at.is_some() {
        return Err(Error::CannotResend("its recipient was erased".to_owned()));
    }
    if message.status == Status::Queued {
        return Err(Error::CannotResend("it waits to be sent already".to_owned()));
    }
    if let Some(missing) = ways.missing(message.channel) {
        return Err(Error::CannotResend(missing.to_owned()));
    }
    recipient(ways, entry)
}

fn recipient(ways: &Ways, entry: &Entry) -> Result<String, Error> {
    let message = &entry.notification;
    let nobody = |reason: &str| Error::CannotResend(reason.to_owned());
    match message.channel {
        Channel::Email if message.kind.is_for_shop() => {
            let known = message.recipient.clone().or_else(|| ways.operations.clone());
            known.ok_or_else(|| nobody(NO_OPERATIONS_ADDRESS))
        }
        Channel::Email => {
            let known = message.recipient.clone().or_else(|| entry.customer_email.clone());
            known.ok_or_else(|| nobody("its customer has no e-mail address"))
        }
        Channel::Sms => {
            let known = phone(entry.kept.data.as_deref()).or_else(|| message.recipient.clone());
            let known = known.ok_or_else(|| nobody("its customer has no telephone number"))?;
            ways.number(&known).map_err(Error::CannotResend)
        }
    }
}

/// Notes what a provider reported; gives of how many messages it was news.
pub async fn report(conn: &mut PgConnection, reports: &[Report]) -> Result<u64, Error> {
    if reports.is_empty() { Ok(0) } else { Ok(reports::report(conn, reports).await?) }
}
