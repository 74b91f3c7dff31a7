//! Opens the payment of an order, or several at once where orders are placed.

use super::{call_off, held::Held};
use crate::payments::domain::{AskedPayment, Payment, PaymentStatus};
use crate::payments::error::Error;
use crate::payments::store::{self, NewPaymentRow};
use shared_types::{Money, OrderId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// The most payments that an order gets.
const MOST: usize = 20;

/// A payment to be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewPayment {
    /// The order, which has no open payment.
    pub order: OrderId,
    /// By what it is paid.
    pub asked: AskedPayment,
    /// What is to be paid.
    pub amount: Money,
    /// By when, where that matters.
    pub pay_by: Option<OffsetDateTime>,
}

/// Opens the payments, in one statement and one more for those that run out.
pub async fn open_all(conn: &mut PgConnection, currency: &str, new: &[NewPayment]) -> Result<Vec<Payment>, Error> {
    let row = |new: &NewPayment| NewPaymentRow {
        reference: Uuid::now_v7(),
        order_id: new.order.0,
        method: new.asked.method.as_str(),
        provider: new.asked.provider.as_str(),
        amount: new.amount.decimal(),
        currency,
        capture: new.asked.capture.as_str(),
        status: PaymentStatus::Created.as_str(),
        pay_by: new.pay_by,
    };
    let opened = store::insert(conn, &new.iter().map(row).collect::<Vec<_>>()).await?;
    let run_out = opened.iter().filter_map(|payment| Some((payment.id, payment.order_id, payment.pay_by?)));
    let run_out: Vec<_> = run_out.collect();
    if !run_out.is_empty() {
        store::queue::insert(conn, &run_out).await?;
    }
    Ok(opened)
}

/// The open payment of an order by this method, and whether it was opened now. `order` is the reference of the order.
///
/// One by another method that is open is closed, where no provider knows of it; else the provider has to close it first.
pub async fn open(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    currency: &str,
    order: Reference,
    new: NewPayment,
) -> Result<(Held, bool), Error> {
    let mut pay_by = new.pay_by;
    let payments = Held::lock_all(conn, new.order).await?;
    let count = payments.len();
    for (place, mut held) in payments.into_iter().enumerate() {
        let payment = held.payment();
        // Another method gives the order no more time.
        pay_by = pay_by.map(|at| payment.pay_by.unwrap_or(at).min(at));
        if payment.status == PaymentStatus::Review {
            return Err(Error::UnderReview(payment.id));
        }
        // Money that came on an earlier payment after it was closed went back.
        let is_paid = payment.refundable().is_positive() || payment.status == PaymentStatus::Authorized;
        if is_paid || (place == 0 && payment.captured > Money::default()) {
            return Err(Error::AlreadyPaid(payment.id));
        }
        if payment.closed_at.is_some() {
            continue;
        }
        if (payment.method, payment.provider) == (new.asked.method, new.asked.provider) {
            return Ok((held, false));
        }
        if held.may_be_known() {
            return Err(Error::OtherOpen(payment.id));
        }
        call_off::void(conn, now, order, &mut held).await?;
    }
    if let Err(most) = new.asked.takes(new.amount) {
        return Err(Error::TooLarge { provider: new.asked.provider, most });
    }
    if count >= MOST {
        return Err(Error::TooMany(count));
    }
    let opened =
        open_all(conn, currency, &[NewPayment { pay_by, ..new }]).await?.pop().ok_or(sqlx::Error::RowNotFound)?;
    Ok((Held::opened(opened), true))
}
