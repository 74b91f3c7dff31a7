//! A payment, and what was done to its money, for the tests of what depends on them.

use super::{Capture, Cause, Method, Operation, OperationKind, OperationStatus, Payment, PaymentStatus, Provider};
use rust_decimal::Decimal;
use shared_types::{Money, OrderId, PaymentId};
use time::OffsetDateTime;
use uuid::Uuid;

impl Payment {
    /// One that was opened at this time and stands so, with no money on it.
    pub fn sample(provider: Provider, status: PaymentStatus, created_at: OffsetDateTime) -> Self {
        let nothing = Money::default();
        Self {
            id: PaymentId(5),
            reference: Uuid::nil(),
            order_id: OrderId(7),
            method: Method::Card,
            provider,
            provider_id: None,
            provider_payment_id: None,
            amount: Money::from(Decimal::ONE),
            currency: "INR".to_owned(),
            capture: Capture::Automatic,
            status,
            authorized: nothing,
            captured: nothing,
            released: nothing,
            refund_reserved: nothing,
            refunded: nothing,
            error_code: None,
            pay_by: None,
            closed_at: None,
            created_at,
            updated_at: created_at,
            version: 1,
        }
    }
}

impl Operation {
    /// A refund of one that is done.
    pub fn sample(payment_id: PaymentId) -> Self {
        Self {
            id: Uuid::nil(),
            payment_id,
            kind: OperationKind::Refund,
            amount: Money::from(Decimal::ONE),
            status: OperationStatus::Succeeded,
            cause: Cause::Checkout,
            error_code: None,
            reason: None,
            by_hand: false,
            provider_ref: None,
            first_sent_at: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }
}
