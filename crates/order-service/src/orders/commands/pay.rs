//! Payments of orders: an order is locked here, its money is moved by `payments`, and the order goes on as that allows.

use super::change::{change_status, change_status_by};
use super::{API, SERVICE, status_event};
use crate::orders::domain::{Explanation, Order, OrderPayment};
use crate::orders::error::Error;
use crate::orders::store::{self, Inserted, NewStatus};
use crate::payments::{
    self, AskedPayment, Cause, Held, LatestPayment, NewPayment, Payment, PaymentStatus, Payments, Shown,
};
use crate::schema::OUTBOX;
use shared_types::{Money, OrderId, OrderStatus, Reference};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;

/// The payment that an order asks for which is being placed.
#[derive(Clone, Copy, Debug)]
pub struct PaymentToOpen<'a> {
    /// By what it is paid.
    pub asked: AskedPayment,
    /// How orders are paid.
    pub payments: &'a Payments,
    /// What it costs.
    pub total: Money,
}

/// Opens the payments of orders that were just written, and counts their versions; gives each order's payment.
pub(super) async fn open_placed(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    asked: &HashMap<Reference, PaymentToOpen<'_>>,
    inserted: &mut HashMap<Reference, Inserted>,
) -> Result<HashMap<OrderId, OrderPayment>, Error> {
    let mut new = Vec::with_capacity(asked.len());
    let mut currency = "";
    for (reference, payment) in asked {
        if let Some(order) = inserted.get_mut(reference) {
            order.version += 1;
            currency = payment.payments.currency().unwrap_or_default();
            let pay_by = payment.payments.pay_by(payment.asked.provider, now);
            new.push(NewPayment { order: order.id, asked: payment.asked, amount: payment.total, pay_by });
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
    let Payment { id, method, amount, pay_by, .. } = *payment;
    let latest = LatestPayment { id, method, amount, pay_by };
    OrderPayment { currency: Some(payment.currency.clone()), ..OrderPayment::of(&latest, payment.of_order()) }
}

/// The open payment of a locked order by this method, and whether it was opened now.
///
/// An order that has left the house, or was cancelled, or is not placed yet, gets none. One that goes on already is not made to
/// wait for its money again: it can be paid at the door only.
pub async fn open(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: &mut Order,
    asked: AskedPayment,
    payments: &Payments,
) -> Result<(Held, bool), Error> {
    let at_the_door = asked.provider.is_on_delivery();
    let amount = match (order.status, order.total_amount) {
        (OrderStatus::Pending, Some(total)) => total,
        (OrderStatus::Paid | OrderStatus::Confirmed, Some(total)) if at_the_door => total,
        (_, None) => return Err(Error::NotPlacedYet(order.id)),
        (status @ (OrderStatus::Paid | OrderStatus::Confirmed), Some(_)) => {
            let latest = payments::of_order(&mut *conn, order.id).await?.into_iter().next();
            let is_paid = |payment: &Payment| {
                let has_money = payment.captured > Money::default() || payment.status == PaymentStatus::Authorized;
                has_money && !payment.provider.is_on_delivery()
            };
            return Err(match latest {
                Some(payment) if payment.status == PaymentStatus::Review => {
                    payments::Error::UnderReview(payment.id).into()
                }
                Some(payment) if is_paid(&payment) => payments::Error::AlreadyPaid(payment.id).into(),
                _ => Error::OnlyAtTheDoor(status),
            });
        }
        (status, Some(_)) => return Err(Error::NotToBePaid(status)),
    };
    let new = NewPayment { order: order.id, asked, amount, pay_by: payments.pay_by(asked.provider, now) };
    let currency = payments.currency().unwrap_or_default();
    let (held, is_new) = payments::open(conn, now, currency, order.reference, new).await?;
    if is_new {
        changed(conn, now, order, held.payment()).await?;
    }
    Ok((held, is_new))
}

/// Writes what the payment of a locked order comes to. An order that has only waited for it is PAID, and confirmed where its stock is
/// committed. One that was PAID before may have waited for it, too: it was under review, or gone, when the stock was committed.
pub async fn changed(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: &mut Order,
    payment: &Payment,
) -> Result<(), Error> {
    let status = payment.of_order();
    if order.payment.as_ref().is_some_and(|before| before.id == payment.id && before.status == status) {
        return Ok(());
    }
    let was_due = order.payment_is_due();
    let stock_is_committed = store::set_payment_status(conn, order.id, status).await?;
    order.payment = Some(Box::new(of_order(payment)));
    if status.is_due() || !matches!(order.status, OrderStatus::Pending | OrderStatus::Paid) {
        return Ok(());
    }
    if was_due && order.status == OrderStatus::Pending {
        metrics::counter!("orders_to_confirm_total").increment(1);
    }
    let is_new = order.status == OrderStatus::Pending && !payment.provider.is_on_delivery();
    let paid = is_new.then_some(OrderStatus::Paid);
    let confirmed = stock_is_committed.then_some(OrderStatus::Confirmed);
    let (mut steps, mut events) = (Vec::new(), Vec::new());
    for status in paid.into_iter().chain(confirmed) {
        steps.push(NewStatus { id: order.id, status, actor: API, explanation: Explanation::default() });
        events.push(status_event(order, status, None)?);
        metrics::counter!("order_status_changes_total", "status" => status.as_str()).increment(1);
    }
    if let Some(last) = steps.last() {
        order.status = last.status;
    }
    store::walk(conn, &steps).await?;
    Ok(OUTBOX.enqueue(conn, now, &events).await?)
}

/// Applies what a provider shows of a payment of a locked order, and moves the order on as that allows.
pub async fn see(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: &mut Order,
    held: &mut Held,
    shown: &Shown,
) -> Result<(), Error> {
    let is_wanted = order.status != OrderStatus::Cancelled;
    let is_latest = order.has_latest(held.payment());
    payments::see(conn, now, (order.reference, is_wanted, is_latest), held, shown).await?;
    follow(conn, now, order, Some(held.payment())).await
}

/// Moves a locked order on as the payment allows that was opened last; `touched` is the payment that may have changed, where one is
/// at hand.
pub async fn follow(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: &mut Order,
    touched: Option<&Payment>,
) -> Result<(), Error> {
    let latest = match touched.filter(|payment| order.has_latest(payment)) {
        Some(payment) => payment.clone(),
        None => match payments::of_order(&mut *conn, order.id).await?.into_iter().next() {
            Some(payment) => payment,
            None => return Ok(()),
        },
    };
    let is_gone = latest.captured > Money::default() && !latest.refundable().is_positive();
    let went_back = is_gone && !latest.provider.is_on_delivery();
    if went_back && order.status == OrderStatus::Pending {
        // It came, and goes back, before the order could go on: on a payment that was closed, or given back at the provider.
        let note = "what was paid came on a closed payment, or was given back at the provider";
        let explanation = Explanation::new("Your payment was given back.", note);
        change_status(conn, now, order, OrderStatus::Cancelled, explanation).await?;
        order.status = OrderStatus::Cancelled;
        return Ok(());
    }
    changed(conn, now, order, &latest).await
}

/// What became of an order that waits for its money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// It still has time, or waits for nothing.
    NotYet,
    /// Its payment is to be closed at the provider first.
    Closing,
    /// It was cancelled.
    Cancelled,
}

/// Cancels a locked order that was not paid in time. Its payment was looked at just before; one that the provider can close is closed
/// there first, lest the customer pays for what is cancelled. That of a cancelled order, too, which the provider did not close when it
/// was asked. Nothing is closed unless it `may_close`.
pub async fn expire(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    order: &Order,
    held: &mut Held,
    may_close: bool,
) -> Result<Expiry, Error> {
    let payment = held.payment();
    let is_over = payment.pay_by.is_some_and(|pay_by| pay_by <= now);
    let waits = order.status == OrderStatus::Pending && order.payment_is_due();
    let is_due = order.has_latest(payment) && is_over && waits;
    if !(is_due || order.status == OrderStatus::Cancelled) || payment.status == PaymentStatus::Review {
        return Ok(Expiry::NotYet);
    }
    let is_open = payment.is_payable() && payment.provider.can_close();
    if is_open && held.may_be_known() {
        if may_close {
            payments::close(conn, held, Cause::OrderCancelled).await?;
        }
        return Ok(if may_close { Expiry::Closing } else { Expiry::NotYet });
    }
    if !is_due {
        return Ok(Expiry::NotYet);
    }
    let explanation = Explanation::new("We have not received your payment.", "payment not received in time");
    change_status_by(SERVICE, conn, now, order, OrderStatus::Cancelled, explanation).await?;
    Ok(Expiry::Cancelled)
}

/// Has the money taken that is promised for a locked order whose goods go out.
pub(super) async fn capture(conn: &mut PgConnection, order: &Order) -> Result<(), Error> {
    if order.payment.is_none() {
        return Ok(());
    }
    let payments = Held::lock_all(conn, order.id).await?;
    for mut held in payments.into_iter().filter(|held| held.payment().waits_for_capture()) {
        payments::capture(conn, &mut held, Cause::Shipment).await?;
        payments::queue::hint(conn, held.payment().id, order.id).await?;
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
