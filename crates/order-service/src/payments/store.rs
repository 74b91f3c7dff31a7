//! The tables `orders.payments` and `orders.payment_operations`.
//!
//! A payment is its order's customer's, and the order says who that is. So nothing is read of a payment without the number of
//! its order, which callers find within their scope; only [`order_of`] gives that number, and only operators [`page`] through all.

pub mod findings;
pub mod invariants;
pub mod measuring;
pub mod queue;
pub mod reconciling;
pub mod reviews;
mod rows;

use crate::payments::domain::{
    Cause, LatestPayment, Operation, OperationKind, OperationStatus, Payment, PaymentStatus, Provider, Trial,
};
use crate::payments::webhooks::Told;
use rows::{OperationRow, PaymentRow, parsed};
use rust_decimal::Decimal;
use service_kit::portions::PORTION;
use shared_types::{Money, OrderId, PaymentId};
use sqlx::{FromRow, PgConnection, PgExecutor, QueryBuilder, Row};
use std::collections::HashMap;
use std::sync::LazyLock;
use time::OffsetDateTime;
use uuid::Uuid;

pub use rows::NewPaymentRow;

/// The order of a payment.
pub async fn order_of(db: impl PgExecutor<'_>, id: PaymentId) -> Result<Option<OrderId>, sqlx::Error> {
    let order = sqlx::query_scalar!("SELECT order_id FROM orders.payments WHERE id = $1", id.0);
    Ok(order.fetch_optional(db).await?.map(OrderId))
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let (new, arrays, all) = (NewPaymentRow::columns(), NewPaymentRow::arrays(1), PaymentRow::select("p"));
    format!(
        "INSERT INTO orders.payments AS p ({new}) SELECT {new} FROM unnest({arrays}) AS n ({new})
         ORDER BY order_id RETURNING {all}"
    )
});

/// Opens payments, one of each order.
pub async fn insert(conn: &mut PgConnection, new: &[NewPaymentRow<'_>]) -> Result<Vec<Payment>, sqlx::Error> {
    let rows = NewPaymentRow::bind(new, sqlx::query(INSERT.as_str())).fetch_all(conn).await?;
    rows.iter().map(|row| PaymentRow::from_row(row)?.try_into()).collect()
}

/// Reads payments `WHERE` something holds.
fn select(condition: &str) -> String {
    format!("SELECT {} FROM orders.payments p WHERE {condition}", PaymentRow::select("p"))
}

static FIND: LazyLock<String> = LazyLock::new(|| select("p.id = $1 AND p.order_id = $2"));

/// A payment of this order.
pub async fn find(db: impl PgExecutor<'_>, order: OrderId, id: PaymentId) -> Result<Option<Payment>, sqlx::Error> {
    one(sqlx::query_as(FIND.as_str()).bind(id.0).bind(order.0).fetch_optional(db).await?)
}

static LOCK: LazyLock<String> = LazyLock::new(|| select("p.id = $1 AND p.order_id = $2 FOR UPDATE"));

/// Locks a payment of this order, which the caller has locked, until the end of the transaction.
pub async fn lock(conn: &mut PgConnection, order: OrderId, id: PaymentId) -> Result<Option<Payment>, sqlx::Error> {
    one(sqlx::query_as(LOCK.as_str()).bind(id.0).bind(order.0).fetch_optional(conn).await?)
}

fn one(row: Option<PaymentRow>) -> Result<Option<Payment>, sqlx::Error> {
    row.map(Payment::try_from).transpose()
}

static OF_ORDER: LazyLock<String> = LazyLock::new(|| select("p.order_id = $1 ORDER BY p.order_id, p.id DESC"));

/// The payments of an order, newest first.
pub async fn of_order(db: impl PgExecutor<'_>, order: OrderId) -> Result<Vec<Payment>, sqlx::Error> {
    all(sqlx::query_as(OF_ORDER.as_str()).bind(order.0).fetch_all(db).await?)
}

/// A page of the payments of all orders, newest first: all of them, or those of a status. For operators.
pub async fn page(
    db: impl PgExecutor<'_>,
    status: Option<PaymentStatus>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Payment>, sqlx::Error> {
    let mut query = QueryBuilder::new(select("TRUE"));
    if let Some(status) = status {
        query.push(" AND p.status = ").push_bind(status.as_str());
    }
    if let Some(before) = before {
        query.push(" AND p.id < ").push_bind(before);
    }
    query.push(" ORDER BY p.id DESC LIMIT ").push_bind(limit);
    all(query.build_query_as().fetch_all(db).await?)
}

static LOCK_OF_ORDER: LazyLock<String> =
    LazyLock::new(|| select("p.order_id = $1 ORDER BY p.order_id, p.id DESC FOR UPDATE"));

/// Locks the payments of an order, which the caller has locked; newest first.
pub async fn lock_of_order(conn: &mut PgConnection, order: OrderId) -> Result<Vec<Payment>, sqlx::Error> {
    all(sqlx::query_as(LOCK_OF_ORDER.as_str()).bind(order.0).fetch_all(conn).await?)
}

fn all(rows: Vec<PaymentRow>) -> Result<Vec<Payment>, sqlx::Error> {
    rows.into_iter().map(Payment::try_from).collect()
}

/// The newest payment of each order that has one.
pub async fn latest(
    conn: &mut PgConnection,
    orders: &[OrderId],
) -> Result<HashMap<OrderId, LatestPayment>, sqlx::Error> {
    let ids: Vec<i64> = orders.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"SELECT o.id AS "order_id!", p.id, p.method, p.amount, p.pay_by FROM unnest($1::bigint[]) AS o (id)
           CROSS JOIN LATERAL (
               SELECT id, method, amount, pay_by FROM orders.payments
               WHERE order_id = o.id ORDER BY order_id, id DESC LIMIT 1) p"#,
        &ids
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let (id, method) = (PaymentId(row.id), parsed(&row.method)?);
            Ok((OrderId(row.order_id), LatestPayment { id, method, amount: row.amount.into(), pay_by: row.pay_by }))
        })
        .collect()
}

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE orders.payments AS p
         SET status = $2, authorized = $3, captured = $4, released = $5, refund_reserved = $6, refunded = $7,
             closed_at = $8, provider_id = $9, provider_payment_id = $10, error_code = $11, version = p.version + 1, updated_at = clock_timestamp()
         WHERE p.id = $1 RETURNING {}",
        PaymentRow::select("p")
    )
});

/// Writes the amounts of a locked payment and what follows from them.
pub async fn update(conn: &mut PgConnection, payment: &Payment) -> Result<Payment, sqlx::Error> {
    let Payment { id, status, closed_at, provider_id, provider_payment_id, error_code, .. } = payment;
    let amounts = [payment.authorized, payment.captured, payment.released, payment.refund_reserved, payment.refunded];
    let mut query = sqlx::query_as::<_, PaymentRow>(UPDATE.as_str()).bind(id.0).bind(status.as_str());
    for amount in amounts {
        query = query.bind(amount.decimal());
    }
    let query = query.bind(*closed_at).bind(provider_id).bind(provider_payment_id).bind(error_code);
    query.fetch_one(conn).await?.try_into()
}

/// An operation to be written.
#[derive(Clone, Debug)]
pub struct NewOperation<'a> {
    pub kind: OperationKind,
    pub amount: Money,
    pub status: OperationStatus,
    pub cause: Cause,
    /// What caused it; an operation that somebody decided is its own cause.
    pub cause_id: Option<Uuid>,
    pub reason: Option<&'a str>,
    /// Who decided it.
    pub made_by: &'a str,
    /// What the customer's means of payment is tried with.
    pub trial: Option<&'a Trial>,
    /// The provider's name of it, where it was done there first.
    pub provider_ref: Option<&'a str>,
}

static INSERT_OPERATION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO orders.payment_operations AS o
             (id, payment_id, provider, kind, amount, status, cause, cause_id, reason, made_by, token, return_url, provider_ref)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING {}",
        OperationRow::select("o")
    )
});

/// Writes an operation of a locked payment, and by whom it is done.
pub async fn insert_operation(
    conn: &mut PgConnection,
    (payment, by): (PaymentId, Provider),
    new: &NewOperation<'_>,
) -> Result<Operation, sqlx::Error> {
    let id = Uuid::now_v7();
    let query = sqlx::query_as::<_, OperationRow>(INSERT_OPERATION.as_str()).bind(id).bind(payment.0);
    let query = query.bind(by.as_str()).bind(new.kind.as_str()).bind(new.amount.decimal());
    let query = query.bind(new.status.as_str()).bind(new.cause.as_str()).bind(new.cause_id.unwrap_or(id));
    let query = query.bind(new.reason).bind(new.made_by).bind(new.trial.map(|trial| trial.token.as_str()));
    let query = query.bind(new.trial.and_then(|trial| trial.return_url.as_deref())).bind(new.provider_ref);
    query.fetch_one(conn).await?.try_into()
}

static OPERATIONS_OF: LazyLock<String> = LazyLock::new(|| {
    let columns = OperationRow::select("o");
    format!("SELECT {columns} FROM orders.payment_operations o WHERE payment_id = ANY($1) ORDER BY payment_id, id")
});

/// What was done to the money of these payments, oldest first.
pub async fn operations_of(db: impl PgExecutor<'_>, payments: &[PaymentId]) -> Result<Vec<Operation>, sqlx::Error> {
    let ids: Vec<i64> = payments.iter().map(|id| id.0).collect();
    let rows: Vec<OperationRow> = sqlx::query_as(OPERATIONS_OF.as_str()).bind(ids).fetch_all(db).await?;
    rows.into_iter().map(Operation::try_from).collect()
}

/// Where an operation comes to.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    pub to: OperationStatus,
    /// Why, in the words of who says so, where that is new.
    pub reason: Option<&'a str>,
    /// Who says so, where that is new.
    pub made_by: Option<&'a str>,
    /// Why the provider refused it.
    pub error_code: Option<&'a str>,
    /// The provider's name of it, once it has one.
    pub provider_ref: Option<&'a str>,
}

impl Move<'_> {
    /// There, and nothing else is new.
    pub fn to(to: OperationStatus) -> Self {
        Self { to, reason: None, made_by: None, error_code: None, provider_ref: None }
    }
}

static MOVE_OPERATION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE orders.payment_operations AS o
         SET status = $2, reason = COALESCE($3, o.reason), made_by = COALESCE($4, o.made_by),
             error_code = COALESCE($5, o.error_code), provider_ref = COALESCE($6, o.provider_ref),
             first_sent_at = CASE WHEN $2 <> 'PREPARED' THEN o.first_sent_at END,
             token = CASE WHEN $7 THEN o.token END, return_url = CASE WHEN $7 THEN o.return_url END,
             updated_at = clock_timestamp()
         WHERE o.id = $1 RETURNING {}",
        OperationRow::select("o")
    )
});

/// Moves an operation of a locked payment on. What the customer's means of payment was tried with is forgotten with its end.
pub async fn move_operation(conn: &mut PgConnection, id: Uuid, step: Move<'_>) -> Result<Operation, sqlx::Error> {
    let query = sqlx::query_as::<_, OperationRow>(MOVE_OPERATION.as_str()).bind(id).bind(step.to.as_str());
    let query = query.bind(step.reason).bind(step.made_by).bind(step.error_code).bind(step.provider_ref);
    query.bind(step.to.is_open()).fetch_one(conn).await?.try_into()
}

static SEND_OPERATION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE orders.payment_operations AS o
         SET status = 'SENT', attempts = o.attempts + 1, first_sent_at = COALESCE(o.first_sent_at, clock_timestamp()),
             updated_at = clock_timestamp()
         WHERE o.id = $1 RETURNING {}, o.token, o.return_url",
        OperationRow::select("o")
    )
});

/// Notes that an operation of a locked payment is sent; gives what the customer's means of payment is tried with.
pub async fn send_operation(conn: &mut PgConnection, id: Uuid) -> Result<(Operation, Option<Trial>), sqlx::Error> {
    let row = sqlx::query(SEND_OPERATION.as_str()).bind(id).fetch_one(conn).await?;
    let (token, return_url): (Option<String>, Option<String>) = (row.try_get("token")?, row.try_get("return_url")?);
    let operation = OperationRow::from_row(&row)?.try_into()?;
    Ok((operation, token.map(|token| Trial { token, return_url })))
}

/// The payment by which a provider knows one of ours, or of our name of it.
pub async fn by_name(
    conn: &mut PgConnection,
    provider: Provider,
    provider_id: Option<&str>,
    reference: Option<Uuid>,
) -> Result<Option<(PaymentId, OrderId)>, sqlx::Error> {
    let named = sqlx::query!(
        "SELECT id, order_id FROM orders.payments WHERE provider = $1 AND provider_id = $2",
        provider.as_str(),
        provider_id
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = named {
        return Ok(Some((PaymentId(row.id), OrderId(row.order_id))));
    }
    let referred = sqlx::query!(
        "SELECT id, order_id FROM orders.payments WHERE reference = $1 AND provider = $2",
        reference,
        provider.as_str()
    )
    .fetch_optional(conn)
    .await?;
    Ok(referred.map(|row| (PaymentId(row.id), OrderId(row.order_id))))
}

/// Notes that a provider told something; gives whether it is new.
pub async fn insert_event(
    conn: &mut PgConnection,
    told: &Told,
    payment: Option<PaymentId>,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query!(
        "INSERT INTO orders.payment_events (provider, event_id, kind, payment_id) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        told.provider.as_str(),
        told.event_id,
        told.kind,
        payment.map(|id| id.0)
    )
    .execute(conn)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// Forgets a portion of what providers told long ago; gives how much. They repeat nothing for so long.
pub async fn forget_events(db: impl PgExecutor<'_>) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM orders.payment_events WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM orders.payment_events
             WHERE provider IN ('STRIPE', 'RAZORPAY') AND received_at < now() - INTERVAL '60 days' LIMIT $1))",
        PORTION
    );
    Ok(forgotten.execute(db).await?.rows_affected())
}
