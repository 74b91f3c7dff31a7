//! Commands on payments, one verb a file. The caller has locked the order.

pub mod archived;
pub mod ask;
pub mod call_off;
pub mod collect;
pub mod dispatch;
pub mod dispute;
pub mod held;
pub mod open;
pub mod reconcile;
pub mod refund;
pub mod resolve;
pub mod review;
pub mod see;

use super::domain::{Operation, Payment, PaymentStatus};
use super::error::Error;
use held::Held;
use service_kit::outbox::Event;
use shared_types::events::{EventData, MoneyMoved};
use shared_types::{Money, OrderId, PaymentId, Reference};
use sqlx::PgConnection;

/// Who decides what follows from something else: that an order was cancelled, that its customer pays.
const BY: &str = "order-service";

/// The payment, locked; not one that somebody has to look at first.
async fn lock(conn: &mut PgConnection, order: OrderId, id: PaymentId) -> Result<Held, Error> {
    let held = Held::lock(conn, order, id).await?.ok_or(Error::UnknownPayment(id))?;
    if held.payment().status == PaymentStatus::Review { Err(Error::UnderReview(id)) } else { Ok(held) }
}

/// An event about the money of a payment. `order` is the reference of its order.
fn event<Data: EventData>(
    of: impl FnOnce(MoneyMoved) -> Data,
    order: Reference,
    payment: &Payment,
    amount: Money,
    operation: Option<&Operation>,
) -> Result<Event, serde_json::Error> {
    Event::new(&of(moved(order, payment, amount, operation)))
}

fn moved(order: Reference, payment: &Payment, amount: Money, operation: Option<&Operation>) -> MoneyMoved {
    MoneyMoved {
        payment_id: payment.id,
        order_id: payment.order_id,
        reference: order,
        method: payment.method.to_string(),
        amount,
        currency: payment.currency.clone(),
        operation: operation.map(|operation| operation.id),
        cause: operation.map(|operation| operation.cause.to_string()),
        goes_back: false,
    }
}
