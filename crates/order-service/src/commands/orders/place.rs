//! Writes a batch of orders whose stock is held.

use super::API;
use crate::domain::orders::{NewOrder, Order, OrderItem, order_number, placement_deadline, total};
use crate::error::Error;
use crate::store::orders::placing::{self, Inserted, NewItem, NewRow};
use crate::store::orders::{self, NewStatus};
use crate::{IDEMPOTENCY, OUTBOX};
use service_kit::answer::Answer;
use service_kit::idempotency::{Fingerprint, NewAnswer};
use service_kit::outbox::Event;
use shared_types::events::{OrderCreated, OrderLine};
use shared_types::reservations::Reservation;
use shared_types::{OrderStatus, ProductId, Reference};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;

/// The route that keys of placements count for.
pub const ROUTE: &str = "POST /api/orders";

/// An order to write: what was asked for, and the stock held for it. One for each reference.
#[derive(Clone, Debug)]
pub struct Reserved<'a> {
    /// The order.
    pub order: &'a NewOrder,
    /// Its stock.
    pub reservation: Reservation,
    /// Key and hash of the request, if it had a key.
    pub key: Option<(&'a str, &'a Fingerprint)>,
    /// Trace context of the request.
    pub traceparent: Option<String>,
}

/// Writes the orders with their lines, first timeline entry, event and kept answer; gives the answer of each order
/// that was written. Left out are those whose deadline has passed and those that exist already.
pub async fn place(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    reserved: &[Reserved<'_>],
) -> Result<HashMap<Reference, Answer>, Error> {
    let rows: Vec<NewRow<'_>> = reserved.iter().map(row).collect();
    let inserted = placing::insert(conn, &rows).await?;
    let inserted: HashMap<Reference, Inserted> = inserted.into_iter().map(|row| (row.reference, row)).collect();
    let written: Vec<(&Reserved<'_>, Inserted)> =
        reserved.iter().filter_map(|r| Some((r, *inserted.get(&r.reservation.id)?))).collect();

    let items: Vec<NewItem<'_>> =
        written.iter().flat_map(|(reserved, row)| items(&reserved.reservation, row)).collect();
    let item_ids = placing::insert_items(conn, &items).await?;
    let item_ids: HashMap<_, _> = item_ids.into_iter().map(|(order, product, id)| ((order, product), id)).collect();
    let history =
        |(_, row): &(_, Inserted)| NewStatus { id: row.id, status: OrderStatus::Pending, actor: API, reason: None };
    orders::write_history(conn, &written.iter().map(history).collect::<Vec<_>>()).await?;

    let (mut answers, mut events) = (HashMap::new(), Vec::new());
    for (reserved, row) in &written {
        let id_of = |product: ProductId| item_ids.get(&(row.id, product)).copied().unwrap_or_default();
        let order = order(reserved, row, id_of);
        events.push(Event::new(&created(&order))?.caused_by(reserved.traceparent.clone()));
        let answer = Answer::created(format!("/api/orders/{}", row.id), &order)?.with_version(row.version);
        answers.insert(row.reference, answer);
    }
    OUTBOX.enqueue(conn, now, &events).await?;
    let kept: Vec<NewAnswer<'_>> = written
        .iter()
        .filter_map(|(reserved, row)| {
            let (key, fingerprint) = reserved.key?;
            Some(NewAnswer { key, fingerprint, answer: answers.get(&row.reference)? })
        })
        .collect();
    IDEMPOTENCY.keep_all(conn, ROUTE, &kept).await?;
    metrics::counter!("orders_placed_total").increment(written.len() as u64);
    Ok(answers)
}

fn row<'a>(reserved: &Reserved<'a>) -> NewRow<'a> {
    NewRow {
        reference: reserved.reservation.id,
        customer_name: &reserved.order.customer_name,
        customer_email: &reserved.order.customer_email,
        customer_phone: reserved.order.customer_phone.as_deref(),
        shipping_address: &reserved.order.shipping_address,
        total_amount: total(&reserved.reservation),
        deadline: placement_deadline(&reserved.reservation),
    }
}

fn items<'a>(reservation: &'a Reservation, row: &Inserted) -> impl Iterator<Item = NewItem<'a>> {
    let order = row.id;
    reservation.items.iter().map(move |line| NewItem {
        order,
        product: line.product_id,
        name: &line.name,
        quantity: line.quantity,
        price: line.unit_price,
        subtotal: line.unit_price.times(line.quantity),
    })
}

fn order(reserved: &Reserved<'_>, row: &Inserted, item_id: impl Fn(ProductId) -> i64) -> Order {
    let items = reserved.reservation.items.iter().map(|line| OrderItem {
        id: item_id(line.product_id),
        product_id: line.product_id,
        product_name: line.name.clone(),
        quantity: line.quantity,
        price: line.unit_price,
        subtotal: line.unit_price.times(line.quantity),
    });
    Order {
        id: row.id,
        order_number: order_number(row.id),
        reference: row.reference,
        customer_name: reserved.order.customer_name.clone(),
        customer_email: reserved.order.customer_email.clone(),
        customer_phone: reserved.order.customer_phone.clone(),
        shipping_address: reserved.order.shipping_address.clone(),
        status: OrderStatus::Pending,
        total_amount: total(&reserved.reservation),
        items: items.collect(),
        created_at: row.created_at,
        updated_at: row.updated_at,
        version: row.version,
    }
}

fn created(order: &Order) -> OrderCreated {
    let line = |item: &OrderItem| OrderLine {
        product_id: item.product_id,
        product_name: item.product_name.clone(),
        quantity: item.quantity,
        price: item.price,
    };
    OrderCreated {
        order_id: order.id,
        reference: order.reference,
        customer_name: order.customer_name.clone(),
        customer_email: order.customer_email.clone(),
        total_amount: order.total_amount,
        items: order.items.iter().map(line).collect(),
    }
}
