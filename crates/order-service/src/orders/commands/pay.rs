//! Payments of orders: an order is locked here, its money is moved by `payments`, and the order goes on as that allows.

use super::{API, status_event};
use crate::orders::domain::{Explanation, Order, OrderPayment};
use crate::orders::error::Error;
use crate::orders::store::{self, Inserted, NewStatus};
use crate::payments::{self, AskedPayment, LatestPayment, NewPayment, Payment};
use crate::schema::OUTBOX;
use shared_types::{Money, OrderId, OrderStatus, Reference};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;

/// The payment that an order asks for which is being placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PaymentToOpen<'a> {
    /// By what it is paid.
    pub asked: AskedPayment,
    /// The currency.
    pub currency: &'a str,
    /// What it costs.
    pub total: Money,
}

/// Opens the payments of orders that were just written, and counts their versions; gives each order's payment.
pub(super) async fn open_placed(
    conn: &mut PgConnection,
    asked: &HashMap<Reference, PaymentToOpen<'_>>,
    inserted: &mut HashMap<Reference, Inserted>,
) -> Result<HashMap<OrderId, OrderPayment>, Error> {
    let mut new = Vec::with_capacity(asked.len());
    let mut currency = "";
    for (reference, payment) in asked {
        if let Some(order) = inserted.get_mut(reference) {
            order.version += 1;
            currency = payment.currency;
            new.push(NewPayment { order: order.id, asked: payment.asked, amount: payment.total });
        }
    }
    if new.is_empty() {
        return Ok(HashMap::new());
    }
    let opened = payments::open_all(conn, currency, &new).await?;
    let statuses: Vec<_> = opened.iter().map(|payment| (payment.order_id, payment.of_order())).collect();
    store::set_payment_statuses(conn, &statuses).await?;
    Ok(opened.iter().map(|payment| (payment.order_id, of_order(payment))).collect())
}

fn of_order(payment: &Payment) -> OrderPayment {
    let Payment { id, method, amount, .. } = *payment;
    OrderPayment::of(&LatestPayment { id, method, amount }, payment.of_order())
}

/// The open payment of a locked order by this method, and whether it was opened now.
///
/// An order that has left the house, or was cancelled, or is not placed yet, gets none.
pub async fn open(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: &Order,
    asked: AskedPayment,
    currency: &str,
) -> Result<(Payment, bool), Error> {
    let amount = match (order.status, order.total_amount) {
        (OrderStatus::Pending | OrderStatus::Paid | OrderStatus::Confirmed, Some(total)) => total,
        (_, None) => return Err(Error::NotPlacedYet(order.id)),
        (status, Some(_)) => return Err(Error::NotToBePaid(status)),
    };
    let new = NewPayment { order: order.id, asked, amount };
    let (payment, is_new) = payments::open(conn, now, currency, order.reference, new).await?;
    if is_new {
        changed(conn, now, order, &payment).await?;
    }
    Ok((payment, is_new))
}

/// Writes what the payment of a locked order comes to. An order whose stock is committed, and which has only waited for its
/// payment, is confirmed.
pub async fn changed(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: &Order,
    payment: &Payment,
) -> Result<(), Error> {
    let status = payment.of_order();
    let stock_is_committed = store::set_payment_status(conn, order.id, status).await?;
    if stock_is_committed && !status.is_due() && order.status == OrderStatus::Pending {
        let to = OrderStatus::Confirmed;
        let explanation = Explanation::default();
        store::set_statuses(conn, &[NewStatus { id: order.id, status: to, actor: API, explanation }]).await?;
        OUTBOX.enqueue(conn, now, &[status_event(order, to, None)?]).await?;
        metrics::counter!("order_status_changes_total", "status" => to.as_str()).increment(1);
    }
    Ok(())
}

/// Closes the payment of a locked order that is cancelled, and has what was taken given back.
pub(super) async fn call_off(conn: &mut PgConnection, now: OffsetDateTime, order: &Order) -> Result<(), Error> {
    if order.payment.is_none() {
        return Ok(());
    }
    match payments::call_off(conn, now, order.reference, order.id).await? {
        Some(payment) => Ok(store::set_payment_statuses(conn, &[(order.id, payment.of_order())]).await?),
        None => Ok(()),
    }
}
