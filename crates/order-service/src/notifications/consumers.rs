//! EDGE: events that customers and the shop are told of. Only written here, not sent: no mail server can slow this down.

use crate::notifications::commands::{self as command, erase};
use crate::notifications::dispatch::Wake;
use crate::notifications::domain::announced::{Announced, ToldMoney, What, kind_of_code};
use crate::notifications::domain::rules::{NewNotification, Ways};
use crate::notifications::domain::{Channel, Kind, Status};
use crate::notifications::error::Error;
use crate::notifications::state::Notifications;
use crate::notifications::unsent_texts::{self, UnsentTexts};
use service_kit::consumer::Handler;
use service_kit::contact::EmailAddress;
use service_kit::fault::Fault;
use service_kit::traces;
use service_kit::workers::Workers;
use shared_types::OrderStatus;
use shared_types::events::{
    AccountHolder, CodeIssued, EventData, NewUser, OrderCancelled, OrderConfirmed, OrderCreated, OrderDelivered,
    OrderShipped, OrderSnapshot, OrderStockLost, PaymentCaptured, PaymentFailed, RawEvent, RefundFailed,
    RefundSucceeded, StockLevel, StockLow, StockReplenished, UserCodeIssued, UserErased, UserPasswordChanged,
    UserRegistered,
};
use shared_types::topology::{ORDER_ACCOUNT_CHANGES, ORDER_ACCOUNT_MAILS, ORDER_MONEY_MAILS, ORDER_NOTIFICATIONS};
use sqlx::PgConnection;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// Starts what hears of everything that somebody is told.
pub fn consumers(workers: &Workers, notifications: &Arc<Notifications>) {
    let (unsent, waiting) = UnsentTexts::new();
    let (ways, wake) = (notifications.outbound.ways.clone(), notifications.wake.clone());
    let events = NotificationEvents { ways, wake, unsent };
    workers.consume(ORDER_NOTIFICATIONS, events.clone());
    workers.consume(ORDER_ACCOUNT_MAILS, events.clone());
    workers.consume(ORDER_MONEY_MAILS, events.clone());
    workers.consume(ORDER_ACCOUNT_CHANGES, events);
    workers.spawn(unsent_texts::run(notifications.clone(), waiting, workers.token()));
}

/// Writes the messages that the events make.
#[derive(Clone, Debug)]
struct NotificationEvents {
    /// What is set up for messages to leave the house.
    ways: Ways,
    /// Told when there is something to send.
    wake: Wake,
    /// Shows what is not sent.
    unsent: UnsentTexts,
}

impl Handler for NotificationEvents {
    type Error = Error;
    type Effect = Vec<NewNotification>;

    const PAUSE: Duration = Duration::from_millis(100);

    async fn handle(&self, conn: &mut PgConnection, events: &[RawEvent]) -> Result<Self::Effect, Error> {
        let (erasures, others): (Vec<_>, Vec<_>) = events.iter().partition(|it| it.event_type == UserErased::TYPE);
        let announced = others.into_iter().map(announced).collect::<Result<Vec<_>, Error>>()?;
        let erased = erasures.into_iter().map(erased).collect::<Result<Vec<_>, Error>>()?;
        if !erased.is_empty() {
            erase::hold_up_writers(conn).await?;
        }
        let written = command::write(conn, &self.ways, announced).await?;
        for (then, address) in erased {
            erase::erase_account(conn, then, &address.key()).await?;
        }
        Ok(written)
    }

    fn committed(&self, written: Self::Effect) {
        self.wake.up(written.iter().filter(|row| row.status == Status::Queued).map(|row| row.channel));
        let mut counts: HashMap<(Channel, Status), u64> = HashMap::new();
        written.iter().for_each(|row| *counts.entry((row.channel, row.status)).or_default() += 1);
        for ((channel, status), count) in counts {
            let counter = metrics::counter!("notifications_written_total",
                "channel" => channel.as_str(), "status" => status.as_str());
            counter.increment(count);
        }
        self.unsent.show(written.into_iter().filter(|row| row.status == Status::Skipped));
    }
}

fn announced(event: &RawEvent) -> Result<Announced<'_>, Error> {
    let what = match event.event_type.as_str() {
        OrderCreated::TYPE => order(event, OrderStatus::Pending)?,
        OrderConfirmed::TYPE => order(event, OrderStatus::Confirmed)?,
        OrderShipped::TYPE => order(event, OrderStatus::Shipped)?,
        OrderDelivered::TYPE => order(event, OrderStatus::Delivered)?,
        OrderCancelled::TYPE => order(event, OrderStatus::Cancelled)?,
        PaymentCaptured::TYPE | PaymentFailed::TYPE | RefundSucceeded::TYPE | RefundFailed::TYPE => money(event)?,
        OrderStockLost::TYPE => lost_stock(event)?,
        StockLow::TYPE => stock(event, Kind::StockLow)?,
        StockReplenished::TYPE => stock(event, Kind::StockReplenished)?,
        UserRegistered::TYPE => registered(event)?,
        UserCodeIssued::TYPE => code(event)?,
        UserPasswordChanged::TYPE => password_changed(event)?,
        other => return Err(Fault::UnexpectedEvent(other.to_owned()).into()),
    };
    let traceparent = event.traceparent.as_deref().filter(|traceparent| traces::is_recorded(traceparent));
    Ok(Announced { event_id: event.id, time: event.time, what, data: event.data.get().into(), traceparent })
}

fn order(event: &RawEvent, status: OrderStatus) -> Result<What, Error> {
    Ok(What::Order { status, order: event.data()? })
}

fn money(event: &RawEvent) -> Result<What, Error> {
    Ok(What::Money(ToldMoney::of(&event.event_type, &event.data()?)))
}

/// Read only to see that it can be: the texts are made of the data as it is.
fn stock(event: &RawEvent, kind: Kind) -> Result<What, Error> {
    let _: StockLevel = event.data()?;
    Ok(What::Stock(kind))
}

fn lost_stock(event: &RawEvent) -> Result<What, Error> {
    let _: OrderSnapshot = event.data()?;
    Ok(What::Stock(Kind::StockReleased))
}

fn registered(event: &RawEvent) -> Result<What, Error> {
    let NewUser { email, .. } = event.data()?;
    Ok(What::Account { kind: Kind::Welcome, email })
}

fn password_changed(event: &RawEvent) -> Result<What, Error> {
    let AccountHolder { email, .. } = event.data()?;
    Ok(What::Account { kind: Kind::PasswordChanged, email })
}

/// When an account was erased, and its address.
fn erased(event: &RawEvent) -> Result<(OffsetDateTime, EmailAddress), Error> {
    let AccountHolder { email, .. } = event.data()?;
    let address = EmailAddress::parse(&email);
    let address = address.map_err(|_| Fault::UnexpectedEvent("the erasure of no address".to_owned()))?;
    Ok((event.time, address))
}

/// The event names the code: it is fetched when the mail is sent.
fn code(event: &RawEvent) -> Result<What, Error> {
    let CodeIssued { purpose, email, .. } = event.data()?;
    let kind = kind_of_code(&purpose).ok_or_else(|| Fault::UnexpectedEvent(format!("a code for {purpose}")))?;
    Ok(What::Account { kind, email })
}
