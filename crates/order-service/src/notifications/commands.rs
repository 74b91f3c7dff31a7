//! What is done with messages to customers and to the shop: write them, queue them again, erase them. Sending is not
//! among it: no command can reach the network.

use crate::notifications::domain::log::Notification;
use crate::notifications::domain::rules::{
    Happening, NO_OPERATIONS_ADDRESS, NewNotification, Ways, What, about_order, about_stock,
};
use crate::notifications::domain::{Channel, Status};
use crate::notifications::error::Error;
use crate::notifications::store::reports::{self, Report};
use crate::notifications::store::{self, queue};
use shared_types::OrderId;
use sqlx::PgConnection;

/// Writes the messages that the happenings make; gives them. A happening of an order that does not exist makes none.
///
/// The number of statements is the same for one happening and for thousands.
pub async fn write(
    conn: &mut PgConnection,
    ways: &Ways,
    happenings: &[Happening],
) -> Result<Vec<NewNotification>, Error> {
    let order = |happening: &Happening| match &happening.what {
        What::Order { id, .. } => Some(*id),
        What::Stock { .. } => None,
    };
    let mut orders: Vec<OrderId> = happenings.iter().filter_map(order).collect();
    orders.sort_unstable_by_key(|id| id.0);
    orders.dedup();
    let contacts = if orders.is_empty() { Default::default() } else { store::contacts(conn, &orders).await? };
    let mut rows = Vec::with_capacity(happenings.len());
    for Happening { event_id, what } in happenings {
        match what {
            What::Order { id, status, reason } => {
                let Some(contact) = contacts.get(id) else { continue };
                rows.extend(about_order(ways, *event_id, *id, (*status, reason.as_deref()), contact));
            }
            What::Stock { kind, level } => rows.push(about_stock(ways, *event_id, *kind, level)?),
        }
    }
    store::insert(conn, &rows).await?;
    Ok(rows)
}

/// Locks a message for a change.
pub async fn lock(conn: &mut PgConnection, id: i64) -> Result<Notification, Error> {
    queue::lock(conn, id).await?;
    let entry = store::find(&mut *conn, id).await?.ok_or(Error::UnknownNotification(id))?;
    Ok(entry.notification)
}

/// Queues a locked message again; gives it as it is then.
///
/// Fails where it waits already, was erased, its channel is not set up, or there is still nobody to send it to. A
/// recipient that was lacking is looked for again, and so is a number, which may stand there as the customer wrote it:
/// what was wrong with the settings may have been put right.
pub async fn resend(conn: &mut PgConnection, ways: &Ways, message: &Notification) -> Result<Notification, Error> {
    if message.erased_at.is_some() {
        return Err(Error::CannotResend("its recipient was erased".to_owned()));
    }
    if message.status == Status::Queued {
        return Err(Error::CannotResend("it waits to be sent already".to_owned()));
    }
    if let Some(missing) = ways.missing(message.channel) {
        return Err(Error::CannotResend(missing.to_owned()));
    }
    let recipient = match (message.channel, &message.recipient) {
        (Channel::Email, Some(recipient)) => recipient.clone(),
        _ => look_for_recipient(conn, ways, message).await?,
    };
    queue::queue_again(conn, message.id, &recipient).await?;
    let entry = store::find(&mut *conn, message.id).await?.ok_or(Error::UnknownNotification(message.id))?;
    Ok(entry.notification)
}

async fn look_for_recipient(conn: &mut PgConnection, ways: &Ways, message: &Notification) -> Result<String, Error> {
    let Some(order) = message.order_id else {
        return ways.operations.clone().ok_or(Error::CannotResend(NO_OPERATIONS_ADDRESS.to_owned()));
    };
    let contact = store::contacts(conn, &[order]).await?.remove(&order);
    let contact = contact.ok_or_else(|| Error::CannotResend("its order does not exist".to_owned()))?;
    match (message.channel, contact.phone) {
        (Channel::Email, _) => Ok(contact.email),
        (Channel::Sms, Some(phone)) => ways.number(&phone).map_err(Error::CannotResend),
        (Channel::Sms, None) => Err(Error::CannotResend("its order has no telephone number".to_owned())),
    }
}

/// Erases recipients and texts of all messages about the orders of a customer; gives how many messages it was.
pub async fn erase(conn: &mut PgConnection, customer_email: &str) -> Result<u64, Error> {
    Ok(store::erase(conn, customer_email).await?)
}

/// Notes what a provider reported; gives of how many messages it was news.
pub async fn report(conn: &mut PgConnection, reports: &[Report]) -> Result<u64, Error> {
    if reports.is_empty() { Ok(0) } else { Ok(reports::report(conn, reports).await?) }
}
