//! The table `orders.payment_reviews`: what providers showed of payments when somebody decided about their review.

use crate::payments::domain::{Amounts, Observed, Reviewed, ShownRefund};
use rust_decimal::Decimal;
use shared_types::{Money, PaymentId};
use sqlx::PgConnection;

/// Keeps what is shown of a payment about which somebody decides.
pub async fn insert_payment(
    conn: &mut PgConnection,
    payment: PaymentId,
    object: &str,
    observed: &Observed,
) -> Result<(), sqlx::Error> {
    let Reviewed { reference, amount, currency, amounts } = Reviewed::of(observed);
    sqlx::query!(
        "INSERT INTO orders.payment_reviews
             (payment_id, object_id, amount, reference, currency, authorized, captured, released)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        payment.0,
        object,
        amount.decimal(),
        reference,
        currency,
        amounts.authorized.decimal(),
        amounts.captured.decimal(),
        amounts.released.decimal()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps what is shown of its refunds.
pub async fn insert_refunds(
    conn: &mut PgConnection,
    payment: PaymentId,
    refunds: &[ShownRefund],
) -> Result<(), sqlx::Error> {
    if refunds.is_empty() {
        return Ok(());
    }
    let objects: Vec<String> = refunds.iter().map(|refund| refund.id.clone()).collect();
    let amounts: Vec<Decimal> = refunds.iter().map(|refund| refund.amount.decimal()).collect();
    sqlx::query!(
        "INSERT INTO orders.payment_reviews (payment_id, object_id, amount)
         SELECT $1, object_id, amount FROM unnest($2::text[], $3::numeric[]) AS n (object_id, amount)",
        payment.0,
        &objects,
        &amounts
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was decided about of a payment that the provider shows under this name.
pub async fn of_payment(
    conn: &mut PgConnection,
    payment: PaymentId,
    object: &str,
) -> Result<Vec<Reviewed>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT amount, reference AS "reference!", currency AS "currency!", authorized AS "authorized!",
                  captured AS "captured!", released AS "released!"
           FROM orders.payment_reviews WHERE payment_id = $1 AND object_id = $2 AND reference IS NOT NULL"#,
        payment.0,
        object
    )
    .fetch_all(conn)
    .await?;
    let reviewed = rows.into_iter().map(|row| Reviewed {
        reference: row.reference,
        amount: row.amount.into(),
        currency: row.currency,
        amounts: Amounts {
            authorized: row.authorized.into(),
            captured: row.captured.into(),
            released: row.released.into(),
        },
    });
    Ok(reviewed.collect())
}

/// Whether somebody decided about this refund of a payment, with this amount.
pub async fn has_refund(
    conn: &mut PgConnection,
    payment: PaymentId,
    object: &str,
    amount: Money,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM orders.payment_reviews
               WHERE payment_id = $1 AND object_id = $2 AND amount = $3 AND reference IS NULL) AS "exists!""#,
        payment.0,
        object,
        amount.decimal()
    )
    .fetch_one(conn)
    .await
}
