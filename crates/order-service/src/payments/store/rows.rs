//! The columns of payments and of operations on them, each listed once for reading and once for writing.

use super::{Cause, Decimal, OffsetDateTime, Operation, OperationStatus, Payment, PaymentStatus, Provider, Uuid};
use service_kit::{read_columns, written_columns};
use shared_types::{OrderId, PaymentId};
use std::str::FromStr;

/// A word as its column has it; the CHECK constraint allows no other.
pub(super) fn parsed<Name>(text: &str) -> Result<Name, sqlx::Error>
where
    Name: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

read_columns! {
    /// The columns of `orders.payments` that are read.
    pub(super) struct PaymentRow {
        id: i64,
        reference: Uuid,
        order_id: i64,
        method: String,
        provider: String,
        provider_id: Option<String>,
        provider_payment_id: Option<String>,
        amount: Decimal,
        currency: String,
        capture: String,
        status: String,
        authorized: Decimal,
        captured: Decimal,
        released: Decimal,
        refund_reserved: Decimal,
        refunded: Decimal,
        error_code: Option<String>,
        pay_by: Option<OffsetDateTime>,
        closed_at: Option<OffsetDateTime>,
        version: i64,
        created_at: OffsetDateTime,
        updated_at: OffsetDateTime,
    }
}

written_columns! {
    /// The columns of `orders.payments` that opening one writes.
    #[derive(Clone, Debug)]
    pub struct NewPaymentRow<'a> {
        /// The name by which the provider will know it.
        reference: Uuid = "uuid",
        /// The order.
        order_id: i64 = "bigint",
        /// By what it is paid.
        method: &'static str = "text",
        /// Who takes the money.
        provider: &'static str = "text",
        /// What is to be paid.
        amount: Decimal = "numeric",
        /// The currency.
        currency: &'a str = "text",
        /// When the money is taken.
        capture: &'static str = "text",
        /// Where it stands.
        status: &'static str = "text",
        /// By when it has to be paid.
        pay_by: Option<OffsetDateTime> = "timestamptz",
    }
}

read_columns! {
    /// The columns of `orders.payment_operations` that are read.
    pub(super) struct OperationRow {
        id: Uuid,
        payment_id: i64,
        provider: String,
        kind: String,
        amount: Decimal,
        status: String,
        cause: String,
        error_code: Option<String>,
        reason: Option<String>,
        provider_ref: Option<String>,
        first_sent_at: Option<OffsetDateTime>,
        created_at: OffsetDateTime,
        updated_at: OffsetDateTime,
    }
}

impl TryFrom<PaymentRow> for Payment {
    type Error = sqlx::Error;

    fn try_from(row: PaymentRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: PaymentId(row.id),
            reference: row.reference,
            order_id: OrderId(row.order_id),
            method: parsed(&row.method)?,
            provider: parsed(&row.provider)?,
            provider_id: row.provider_id,
            provider_payment_id: row.provider_payment_id,
            amount: row.amount.into(),
            currency: row.currency,
            capture: parsed(&row.capture)?,
            status: parsed::<PaymentStatus>(&row.status)?,
            authorized: row.authorized.into(),
            captured: row.captured.into(),
            released: row.released.into(),
            refund_reserved: row.refund_reserved.into(),
            refunded: row.refunded.into(),
            error_code: row.error_code,
            pay_by: row.pay_by,
            closed_at: row.closed_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        })
    }
}

impl TryFrom<OperationRow> for Operation {
    type Error = sqlx::Error;

    fn try_from(row: OperationRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.id,
            payment_id: PaymentId(row.payment_id),
            kind: parsed(&row.kind)?,
            amount: row.amount.into(),
            status: parsed::<OperationStatus>(&row.status)?,
            cause: parsed::<Cause>(&row.cause)?,
            error_code: row.error_code,
            reason: row.reason,
            by_hand: parsed::<Provider>(&row.provider)?.is_on_delivery(),
            provider_ref: row.provider_ref,
            first_sent_at: row.first_sent_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
