//! A payment for the tests of what depends on one.

use super::{Capture, Method, Payment, PaymentStatus, Provider};
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
