//! Decides what the provider is to be asked for, sends nothing yet: whoever works on the payment does so once this is committed.

use super::{BY, held::Held};
use crate::payments::domain::{Cause, OperationKind, OperationStatus, Trial};
use crate::payments::error::Error;
use crate::payments::store::NewOperation;
use service_kit::validation::FieldErrors;
use shared_types::Money;
use sqlx::PgConnection;

/// Has the provider told of a payment, where it does not know of it yet.
pub async fn announce(conn: &mut PgConnection, held: &mut Held) -> Result<(), Error> {
    let is_known = held.payment().provider.is_on_delivery() || held.payment().provider_id.is_some();
    if !is_known && !held.has_open(OperationKind::Create) {
        prepare(conn, held, (OperationKind::Create, Cause::Checkout), None, (None, BY)).await?;
    }
    Ok(())
}

/// Has the customer's means of payment tried. One after the other: not while another one is.
pub async fn try_means(conn: &mut PgConnection, held: &mut Held, trial: &Trial) -> Result<(), Error> {
    let payment = held.payment();
    if !payment.is_payable() {
        return Err(Error::NotAllowed { id: payment.id, status: payment.status, not: "it cannot be paid any more" });
    }
    if held.open().any(|operation| operation.kind != OperationKind::Create) {
        return Err(Error::PaymentOpen);
    }
    announce(conn, held).await?;
    prepare(conn, held, (OperationKind::Confirm, Cause::Checkout), Some(trial), (None, BY)).await
}

/// Has the provider close a payment of which nothing was taken, once somebody works on it. What was not sent of it yet never will
/// be.
pub async fn close(conn: &mut PgConnection, held: &mut Held, cause: Cause) -> Result<(), Error> {
    held.drop_unsent(conn, |operation| operation.kind != OperationKind::Void).await?;
    if !held.has_open(OperationKind::Void) {
        prepare(conn, held, (OperationKind::Void, cause), None, (None, BY)).await?;
    }
    Ok(())
}

/// Has the provider take what is promised of a payment because somebody says so. All of it: an order that stands owes its total, and
/// what is not taken now would be given up.
pub async fn capture_by_hand(
    conn: &mut PgConnection,
    held: &mut Held,
    amount: Option<Money>,
    (reason, by): (Option<&str>, &str),
) -> Result<(), Error> {
    let payment = held.payment();
    if !payment.waits_for_capture() {
        let not = "only promised money can be taken";
        return Err(Error::NotAllowed { id: payment.id, status: payment.status, not });
    }
    if amount.is_some_and(|amount| amount != payment.authorized) {
        let must = format!("must be {}, which is all that is promised", payment.authorized);
        return Err(FieldErrors::one("amount", must).into());
    }
    take(conn, held, Cause::Manual, (reason, by)).await
}

/// Has the provider take what is promised of a payment, all of it, once somebody works on it.
pub async fn capture(conn: &mut PgConnection, held: &mut Held, cause: Cause) -> Result<(), Error> {
    take(conn, held, cause, (None, BY)).await
}

async fn take(conn: &mut PgConnection, held: &mut Held, cause: Cause, said: (Option<&str>, &str)) -> Result<(), Error> {
    if held.has_open(OperationKind::Void) {
        let (payment, not) = (held.payment(), "it is being called off");
        return Err(Error::NotAllowed { id: payment.id, status: payment.status, not });
    }
    if !held.has_open(OperationKind::Capture) {
        prepare(conn, held, (OperationKind::Capture, cause), None, said).await?;
    }
    Ok(())
}

async fn prepare(
    conn: &mut PgConnection,
    held: &mut Held,
    (kind, cause): (OperationKind, Cause),
    trial: Option<&Trial>,
    (reason, made_by): (Option<&str>, &str),
) -> Result<(), Error> {
    let operation = NewOperation {
        kind,
        amount: held.payment().amount,
        status: OperationStatus::Prepared,
        cause,
        // One after the other: an attempt is its own cause.
        cause_id: None,
        reason,
        made_by,
        trial,
        provider_ref: None,
    };
    held.insert(conn, &operation).await?;
    Ok(())
}
