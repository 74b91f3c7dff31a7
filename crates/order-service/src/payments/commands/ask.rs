//! Decides what the provider is to be asked for, sends nothing yet: whoever works on the payment does so once this is committed.

use super::BY;
use crate::payments::domain::{Cause, OperationKind, OperationStatus, Payment, Trial};
use crate::payments::error::Error;
use crate::payments::store::{self, Move, NewOperation};
use service_kit::validation::FieldErrors;
use shared_types::Money;
use sqlx::PgConnection;

/// Has the provider told of a locked payment, where it does not know of it yet.
pub async fn announce(conn: &mut PgConnection, payment: &Payment) -> Result<(), Error> {
    if payment.provider.is_on_delivery() || payment.provider_id.is_some() {
        return Ok(());
    }
    let open = store::open_operations(conn, payment.id).await?;
    if !open.iter().any(|operation| operation.kind == OperationKind::Create) {
        prepare(conn, payment, (OperationKind::Create, Cause::Checkout), None, (None, BY)).await?;
    }
    Ok(())
}

/// Has the customer's means of payment tried. One after the other: not while another one is.
pub async fn try_means(conn: &mut PgConnection, payment: &Payment, trial: &Trial) -> Result<(), Error> {
    if !payment.is_payable() {
        return Err(Error::NotAllowed { id: payment.id, status: payment.status, not: "it cannot be paid any more" });
    }
    let open = store::open_operations(conn, payment.id).await?;
    if open.iter().any(|operation| operation.kind != OperationKind::Create) {
        return Err(Error::PaymentOpen);
    }
    announce(conn, payment).await?;
    prepare(conn, payment, (OperationKind::Confirm, Cause::Checkout), Some(trial), (None, BY)).await
}

/// Has the provider close a locked payment of which nothing was taken, once somebody works on it. What was not sent of it yet never
/// will be.
pub async fn close(conn: &mut PgConnection, payment: &Payment, cause: Cause) -> Result<(), Error> {
    let open = store::open_operations(conn, payment.id).await?;
    for operation in open.iter().filter(|operation| operation.status == OperationStatus::Prepared) {
        if operation.kind != OperationKind::Void {
            store::move_operation(conn, operation.id, Move::to(OperationStatus::Dropped)).await?;
        }
    }
    if !open.iter().any(|operation| operation.kind == OperationKind::Void) {
        prepare(conn, payment, (OperationKind::Void, cause), None, (None, BY)).await?;
    }
    Ok(())
}

/// Has the provider take what is promised of a locked payment because somebody says so. All of it: an order that stands owes its
/// total, and what is not taken now would be given up.
pub async fn capture_by_hand(
    conn: &mut PgConnection,
    payment: &Payment,
    amount: Option<Money>,
    (reason, by): (Option<&str>, &str),
) -> Result<(), Error> {
    if !payment.waits_for_capture() {
        return Err(Error::NotAllowed {
            id: payment.id,
            status: payment.status,
            not: "only promised money can be taken",
        });
    }
    if amount.is_some_and(|amount| amount != payment.authorized) {
        let must = format!("must be {}, which is all that is promised", payment.authorized);
        return Err(FieldErrors::one("amount", must).into());
    }
    take(conn, payment, Cause::Manual, (reason, by)).await
}

/// Has the provider take what is promised of a locked payment, all of it, once somebody works on it.
pub async fn capture(conn: &mut PgConnection, payment: &Payment, cause: Cause) -> Result<(), Error> {
    take(conn, payment, cause, (None, BY)).await
}

async fn take(
    conn: &mut PgConnection,
    payment: &Payment,
    cause: Cause,
    said: (Option<&str>, &str),
) -> Result<(), Error> {
    let open = store::open_operations(conn, payment.id).await?;
    if open.iter().any(|operation| operation.kind == OperationKind::Void) {
        let not = "it is being called off";
        return Err(Error::NotAllowed { id: payment.id, status: payment.status, not });
    }
    if !open.iter().any(|operation| operation.kind == OperationKind::Capture) {
        prepare(conn, payment, (OperationKind::Capture, cause), None, said).await?;
    }
    Ok(())
}

async fn prepare(
    conn: &mut PgConnection,
    payment: &Payment,
    (kind, cause): (OperationKind, Cause),
    trial: Option<&Trial>,
    (reason, made_by): (Option<&str>, &str),
) -> Result<(), Error> {
    let operation = NewOperation {
        payment,
        kind,
        amount: payment.amount,
        status: OperationStatus::Prepared,
        cause,
        // One after the other: an attempt is its own cause.
        cause_id: None,
        reason,
        made_by,
        trial,
        provider_ref: None,
    };
    store::insert_operation(conn, &operation).await?;
    Ok(())
}

/// Whether the provider may know of a locked payment: of one that nobody was asked for it does not.
pub async fn may_be_known(conn: &mut PgConnection, payment: &Payment) -> Result<bool, Error> {
    if payment.provider.is_on_delivery() || payment.provider_id.is_some() {
        return Ok(!payment.provider.is_on_delivery());
    }
    let open = store::open_operations(conn, payment.id).await?;
    Ok(open.iter().any(|operation| operation.status != OperationStatus::Prepared))
}
