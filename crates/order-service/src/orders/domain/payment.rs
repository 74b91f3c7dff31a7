//! The payment of an order, as the order shows it.

use crate::payments::{LatestPayment, Method, OrderPaymentStatus};
use serde::Serialize;
use shared_types::{Money, PaymentId};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// The payment of an order: of several the one that was opened last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderPayment {
    /// Its number.
    pub id: PaymentId,
    /// What it comes to.
    pub status: OrderPaymentStatus,
    /// By what the order is paid.
    pub method: Method,
    /// What is to be paid.
    pub amount: Money,
    /// By when; null where that does not matter.
    #[serde(with = "shared_types::times::option")]
    #[schema(required)]
    pub pay_by: Option<OffsetDateTime>,
}

impl OrderPayment {
    /// The payment of an order that comes to this.
    pub fn of(latest: &LatestPayment, status: OrderPaymentStatus) -> Self {
        let LatestPayment { id, method, amount, pay_by } = *latest;
        Self { id, status, method, amount, pay_by: pay_by.filter(|_| status.is_due()) }
    }
}
