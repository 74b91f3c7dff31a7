//! Orders of guests, which customers take into their accounts; and the table `orders.wrong_claim_codes`.

use super::{read, write_history};
use crate::orders::domain::{Explanation, Order};
use crate::orders::store::NewStatus;
use service_kit::access::Scope;
use shared_types::OrderId;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Locks an order until the end of the transaction, and then reads it, if the scope has it or it is nobody's.
pub async fn lock(conn: &mut PgConnection, scope: Scope, id: OrderId) -> Result<Option<Order>, sqlx::Error> {
    sqlx::query!("SELECT id FROM orders.orders WHERE id = $1 FOR UPDATE", id.0).fetch_optional(&mut *conn).await?;
    let order = read(conn, vec![id.0]).await?.pop();
    Ok(order.filter(|order| order.customer_id.is_none() || scope.includes(order.customer_id)))
}

/// Gives a locked order of nobody to a customer, and adds to its timeline who did so.
pub async fn set_owner(
    conn: &mut PgConnection,
    order: &Order,
    owner: Uuid,
    actor: &'static str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE orders.orders SET customer_id = $2, version = version + 1, updated_at = clock_timestamp() WHERE id = $1",
        order.id.0,
        owner
    )
    .execute(&mut *conn)
    .await?;
    let explanation = Explanation { reason: Some("Taken into an account".to_owned()), internal_note: None };
    let entry = NewStatus { id: order.id, status: order.status, actor, explanation };
    write_history(conn, &[entry]).await
}

/// Wrong codes of a locked order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// How many in a row.
    pub in_a_row: i32,
    /// When the last one came.
    pub last_at: OffsetDateTime,
}

/// The wrong codes of a locked order, if there were any.
pub async fn wrong(conn: &mut PgConnection, id: OrderId) -> Result<Option<Wrong>, sqlx::Error> {
    sqlx::query_as!(Wrong, "SELECT in_a_row, last_at FROM orders.wrong_claim_codes WHERE order_id = $1", id.0)
        .fetch_optional(conn)
        .await
}

/// Notes how many wrong codes a locked order has had in a row.
pub async fn set_wrong(conn: &mut PgConnection, id: OrderId, wrong: Wrong) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO orders.wrong_claim_codes (order_id, in_a_row, last_at) VALUES ($1, $2, $3)
         ON CONFLICT (order_id) DO UPDATE SET in_a_row = EXCLUDED.in_a_row, last_at = EXCLUDED.last_at",
        id.0,
        wrong.in_a_row,
        wrong.last_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the wrong codes of a locked order.
pub async fn forget_wrong(conn: &mut PgConnection, id: OrderId) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM orders.wrong_claim_codes WHERE order_id = $1", id.0).execute(conn).await?;
    Ok(())
}
