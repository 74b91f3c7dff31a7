//! The payment of an order, as the order shows it.

use crate::payments::{LatestPayment, Method, OrderPaymentStatus};
use serde::Serialize;
use shared_types::events::ToldPayment;
use shared_types::{Money, OrderStatus, PaymentId};
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
    /// The currency, as ISO 4217 has it; known where the payment was opened just now.
    #[serde(skip)]
    pub currency: Option<String>,
}

impl OrderPayment {
    /// The payment of an order that comes to this.
    pub fn of(latest: &LatestPayment, status: OrderPaymentStatus) -> Self {
        let LatestPayment { id, method, amount, pay_by } = *latest;
        Self { id, status, method, amount, pay_by: pay_by.filter(|_| status.is_due()), currency: None }
    }

    /// The payment, where the customer is told of it who hears that the order has come to `status`. An order that is placed may have
    /// to be paid first. One that is cancelled gives back what was taken.
    pub fn told(&self, status: OrderStatus) -> Option<ToldPayment> {
        let is_told = match status {
            OrderStatus::Pending => self.status == OrderPaymentStatus::Due,
            OrderStatus::Cancelled => {
                matches!(self.status, OrderPaymentStatus::Paid | OrderPaymentStatus::PartRefunded)
            }
            OrderStatus::Paid | OrderStatus::Confirmed | OrderStatus::Shipped | OrderStatus::Delivered => false,
        };
        is_told.then(|| ToldPayment {
            status: self.status.to_string(),
            method: self.method.to_string(),
            amount: self.amount,
            currency: self.currency.clone(),
            pay_by: self.pay_by,
        })
    }
}
