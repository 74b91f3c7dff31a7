//! Writes new orders, placed or only accepted: what both have in common.

use super::API;
use super::pay::{self, PaymentToOpen};
use crate::orders::domain::{NewOrder, Order, OrderItem, placement_deadline, total};
use crate::orders::error::Error;
use crate::orders::store::NewOrderRow;
use crate::orders::store::placing::{self, NewOrderWithItems};
use crate::payments::Payments;
use crate::schema::IDEMPOTENCY;
use service_kit::answer::Answer;
use service_kit::idempotency::{Fingerprint, IdempotencyKey, NewAnswer};
use shared_types::Reference;
use shared_types::reservations::Reservation;
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// An order to write. One for each reference.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    pub reference: Reference,
    /// Whose it is to be, if it is somebody's.
    pub customer_id: Option<Uuid>,
    /// What was asked for.
    pub order: &'a NewOrder,
    /// Its stock, where it is held already.
    pub reservation: Option<Reservation>,
    /// How it is paid, where it asks for that.
    pub payments: Option<&'a Payments>,
    /// Key and hash of the request, if it had a key.
    pub key: Option<(&'a IdempotencyKey, &'a Fingerprint)>,
    /// Trace context of the request.
    pub traceparent: Option<String>,
}

/// An order that was written.
#[derive(Clone, Debug)]
pub(super) struct WrittenOrder<'w> {
    /// What was asked for.
    pub placement: &'w Placement<'w>,
    pub order: Order,
    /// What its request is answered.
    pub answer: Answer,
}

/// Writes the orders with their lines, first timeline entry and kept answer. Left out are those whose deadline has
/// passed and those that exist already.
pub(super) async fn write<'w>(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    placements: &'w [Placement<'w>],
) -> Result<Vec<WrittenOrder<'w>>, Error> {
    let rows: Vec<NewOrderWithItems<'_>> = placements.iter().map(row).collect();
    let mut inserted = placing::insert(conn, &rows, API).await?;
    let asked: HashMap<Reference, PaymentToOpen<'_>> = placements.iter().filter_map(payment_to_open).collect();
    let mut payments = match asked.is_empty() {
        true => HashMap::new(),
        false => pay::open_placed(conn, now, &asked, &mut inserted).await?,
    };
    let mut written = Vec::with_capacity(rows.len());
    for (placement, row) in placements.iter().zip(rows) {
        if let Some(inserted) = inserted.remove(&placement.reference) {
            let total = placement.reservation.as_ref().map(total);
            let mut order = inserted.order(placement.customer_id, placement.order, total, row.items);
            if placement.order.payment.is_some() {
                order.payment = payments.remove(&order.id).map(Box::new);
            }
            written.push(WrittenOrder { placement, answer: answer(placement, &order)?, order });
        }
    }
    let kept: Vec<NewAnswer<'_>> = written
        .iter()
        .filter_map(|written| {
            let (key, fingerprint) = written.placement.key?;
            Some(NewAnswer { key, fingerprint, answer: &written.answer })
        })
        .collect();
    IDEMPOTENCY.keep_all(conn, &kept).await?;
    Ok(written)
}

/// The answers, by reference.
pub(super) fn answers(written: Vec<WrittenOrder<'_>>) -> HashMap<Reference, Answer> {
    written.into_iter().map(|written| (written.order.reference, written.answer)).collect()
}

/// The payment that a placed order asks for, by its reference.
fn payment_to_open<'a>(placement: &'a Placement<'a>) -> Option<(Reference, PaymentToOpen<'a>)> {
    let payments = placement.payments?;
    // It was checked before its stock was held.
    let asked = payments.asked(placement.order.payment?, "").ok()?;
    let total = total(placement.reservation.as_ref()?);
    Some((placement.reference, PaymentToOpen { asked, payments, total }))
}

fn row<'a>(placement: &Placement<'a>) -> NewOrderWithItems<'a> {
    let (order, reservation) = (placement.order, placement.reservation.as_ref());
    NewOrderWithItems {
        order: NewOrderRow::of(placement.reference, placement.customer_id, order, reservation.map(total)),
        deadline: reservation.and_then(placement_deadline),
        items: match reservation {
            Some(reservation) => reservation.items.iter().map(OrderItem::reserved).collect(),
            None => order.lines.iter().map(OrderItem::unplaced).collect(),
        },
    }
}

/// 201 for what is placed, 202 for what is accepted.
fn answer(placement: &Placement<'_>, order: &Order) -> Result<Answer, serde_json::Error> {
    let location = format!("/api/orders/{}", order.id);
    let answer = match placement.reservation {
        Some(_) => Answer::created(location, order),
        None => Answer::accepted(Some(location), order),
    };
    Ok(answer?.with_version(order.version))
}
