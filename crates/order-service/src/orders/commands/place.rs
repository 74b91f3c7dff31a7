//! Writes a batch of orders whose stock is held, and announces what is placed.

use super::confirm;
use super::write::{self, Wanted, Written};
use crate::orders::domain::total;
use crate::orders::error::Error;
use crate::schema::OUTBOX;
use service_kit::answer::Answer;
use service_kit::outbox::Event;
use shared_types::events::{OrderCreated, OrderLine, OrderSnapshot};
use shared_types::reservations::{Reservation, ReservationStatus};
use shared_types::{OrderId, Reference};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;

/// An order that has its stock and is written in this transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    /// Its number.
    pub id: OrderId,
    /// Who ordered.
    pub customer_name: &'a str,
    /// Where to write to.
    pub customer_email: &'a str,
    /// Its stock.
    pub reservation: &'a Reservation,
    /// Trace context of the request.
    pub traceparent: Option<&'a String>,
}

/// Writes the orders, whose stock is held, with everything that belongs to them; gives the answer of each order that
/// was written. Left out are those whose deadline has passed and those that exist already.
pub async fn place(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    wanted: &[Wanted<'_>],
) -> Result<HashMap<Reference, Answer>, Error> {
    let written = write::write(conn, wanted).await?;
    announce(conn, now, &written.iter().filter_map(placed).collect::<Vec<_>>()).await?;
    Ok(write::answers(written))
}

fn placed<'a>(written: &'a Written<'_>) -> Option<Placed<'a>> {
    Some(Placed {
        id: written.order.id,
        customer_name: &written.order.customer_name,
        customer_email: &written.order.customer_email,
        reservation: written.wanted.reservation.as_ref()?,
        traceparent: written.wanted.traceparent.as_ref(),
    })
}

/// Announces the orders, which is what commits their stock.
///
/// Stock that is committed already (somebody did it by hand) will not be announced again: its orders are confirmed
/// at once.
pub(super) async fn announce(conn: &mut PgConnection, now: OffsetDateTime, placed: &[Placed<'_>]) -> Result<(), Error> {
    let event = |placed: &Placed<'_>| Ok(Event::new(&created(placed))?.caused_by(placed.traceparent.cloned()));
    let events = placed.iter().map(event).collect::<Result<Vec<_>, Error>>()?;
    OUTBOX.enqueue(conn, now, &events).await?;
    metrics::counter!("orders_placed_total").increment(placed.len() as u64);
    let committed = placed.iter().filter(|placed| placed.reservation.status == ReservationStatus::Committed);
    let committed: HashMap<Reference, Option<String>> =
        committed.map(|placed| (placed.reservation.id, placed.traceparent.cloned())).collect();
    if committed.is_empty() { Ok(()) } else { confirm::confirm(conn, now, &committed).await }
}

fn created(placed: &Placed<'_>) -> OrderCreated {
    let items = placed.reservation.items.iter().map(|line| OrderLine {
        product_id: line.product_id,
        product_name: Some(line.name.clone()),
        quantity: line.quantity,
        price: Some(line.unit_price),
    });
    OrderCreated(OrderSnapshot {
        order_id: placed.id,
        reference: placed.reservation.id,
        reason: None,
        customer_name: placed.customer_name.to_owned(),
        customer_email: placed.customer_email.to_owned(),
        customer_phone: None,
        shipping_address: String::new(),
        total_amount: Some(total(placed.reservation)),
        items: items.collect(),
    })
}
