//! Opens the payment of an order, or several at once where orders are placed.

use super::call_off;
use crate::payments::domain::{AskedPayment, Payment, PaymentStatus};
use crate::payments::error::Error;
use crate::payments::store::{self, NewPaymentRow};
use shared_types::{Money, OrderId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A payment to be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewPayment {
    /// The order, which has no open payment.
    pub order: OrderId,
    /// By what it is paid.
    pub asked: AskedPayment,
    /// What is to be paid.
    pub amount: Money,
}

/// Opens the payments in one statement.
pub async fn open_all(conn: &mut PgConnection, currency: &str, new: &[NewPayment]) -> Result<Vec<Payment>, Error> {
    let row = |new: &NewPayment| NewPaymentRow {
        reference: Uuid::now_v7(),
        order_id: new.order.0,
        method: new.asked.method.as_str(),
        provider: new.asked.provider.as_str(),
        amount: new.amount.decimal(),
        currency,
        capture: "AUTOMATIC",
        status: PaymentStatus::Created.as_str(),
    };
    Ok(store::insert(conn, &new.iter().map(row).collect::<Vec<_>>()).await?)
}

/// The open payment of an order by this method, and whether it was opened now. `order` is the reference of the order.
///
/// One by another method that is open is closed, where nothing of it is under way.
pub async fn open(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    currency: &str,
    order: Reference,
    new: NewPayment,
) -> Result<(Payment, bool), Error> {
    for payment in store::lock_of_order(conn, new.order).await? {
        if payment.status == PaymentStatus::Review {
            return Err(Error::UnderReview(payment.id));
        }
        if payment.captured > Money::default() {
            return Err(Error::AlreadyPaid(payment.id));
        }
        if payment.closed_at.is_some() {
            continue;
        }
        let (method, provider) = (payment.method, payment.provider);
        if (AskedPayment { method, provider }) == new.asked {
            return Ok((payment, false));
        }
        call_off::void(conn, now, order, &payment).await?;
    }
    let opened = open_all(conn, currency, &[new]).await?.pop().ok_or(sqlx::Error::RowNotFound)?;
    Ok((opened, true))
}
