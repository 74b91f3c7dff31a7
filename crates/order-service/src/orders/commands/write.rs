//! Writes new orders, placed or only accepted: what both have in common.

use super::API;
use crate::orders::domain::{NewOrder, Order, OrderItem, order_number, placement_deadline, total};
use crate::orders::error::Error;
use crate::orders::store::placing::{self, Inserted, NewRow};
use crate::schema::IDEMPOTENCY;
use service_kit::answer::Answer;
use service_kit::idempotency::{Fingerprint, NewAnswer};
use shared_types::reservations::Reservation;
use shared_types::{OrderStatus, Reference};
use sqlx::PgConnection;
use std::collections::HashMap;

/// The route that keys of placements count for.
pub const ROUTE: &str = "POST /api/orders";

/// An order to write. One for each reference.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Its reference.
    pub reference: Reference,
    /// What was asked for.
    pub order: &'a NewOrder,
    /// Its stock, where it is held already.
    pub reservation: Option<Reservation>,
    /// Key and hash of the request, if it had a key.
    pub key: Option<(&'a str, &'a Fingerprint)>,
    /// Trace context of the request.
    pub traceparent: Option<String>,
}

/// An order that was written.
#[derive(Clone, Debug)]
pub(super) struct Written<'w> {
    /// What was asked for.
    pub wanted: &'w Wanted<'w>,
    /// The order.
    pub order: Order,
    /// What its request is answered.
    pub answer: Answer,
}

/// Writes the orders with their lines, first timeline entry and kept answer. Left out are those whose deadline has
/// passed and those that exist already.
pub(super) async fn write<'w>(conn: &mut PgConnection, wanted: &'w [Wanted<'w>]) -> Result<Vec<Written<'w>>, Error> {
    let rows: Vec<NewRow<'_>> = wanted.iter().map(row).collect();
    let mut inserted = placing::insert(conn, &rows, API).await?;
    let mut written = Vec::with_capacity(rows.len());
    for (wanted, row) in wanted.iter().zip(rows) {
        if let Some(inserted) = inserted.remove(&wanted.reference) {
            let order = order(row, inserted);
            written.push(Written { wanted, answer: answer(wanted, &order)?, order });
        }
    }
    let kept: Vec<NewAnswer<'_>> = written
        .iter()
        .filter_map(|written| {
            let (key, fingerprint) = written.wanted.key?;
            Some(NewAnswer { key, fingerprint, answer: &written.answer })
        })
        .collect();
    IDEMPOTENCY.keep_all(conn, ROUTE, &kept).await?;
    Ok(written)
}

/// The answers, by reference.
pub(super) fn answers(written: Vec<Written<'_>>) -> HashMap<Reference, Answer> {
    written.into_iter().map(|written| (written.order.reference, written.answer)).collect()
}

fn row<'a>(wanted: &Wanted<'a>) -> NewRow<'a> {
    NewRow {
        reference: wanted.reference,
        customer_name: &wanted.order.customer_name,
        customer_email: &wanted.order.customer_email,
        customer_phone: wanted.order.customer_phone.as_deref(),
        shipping_address: &wanted.order.shipping_address,
        total_amount: wanted.reservation.as_ref().map(total),
        deadline: wanted.reservation.as_ref().and_then(placement_deadline),
        items: match &wanted.reservation {
            Some(reservation) => reservation.items.iter().map(OrderItem::reserved).collect(),
            None => wanted.order.lines.iter().map(OrderItem::unplaced).collect(),
        },
    }
}

fn order(row: NewRow<'_>, inserted: Inserted) -> Order {
    let id_of = |item: &OrderItem| inserted.items.get(&item.product_id).copied().unwrap_or_default();
    Order {
        id: inserted.id,
        order_number: order_number(inserted.id),
        reference: row.reference,
        customer_name: row.customer_name.to_owned(),
        customer_email: row.customer_email.to_owned(),
        customer_phone: row.customer_phone.map(str::to_owned),
        shipping_address: row.shipping_address.to_owned(),
        status: OrderStatus::Pending,
        total_amount: row.total_amount,
        items: row.items.into_iter().map(|item| OrderItem { id: id_of(&item), ..item }).collect(),
        created_at: inserted.created_at,
        updated_at: inserted.updated_at,
        version: inserted.version,
    }
}

/// 201 for what is placed, 202 for what is accepted.
fn answer(wanted: &Wanted<'_>, order: &Order) -> Result<Answer, serde_json::Error> {
    let location = format!("/api/orders/{}", order.id);
    let answer = match wanted.reservation {
        Some(_) => Answer::created(location, order),
        None => Answer::accepted(Some(location), order),
    };
    Ok(answer?.with_version(order.version))
}
