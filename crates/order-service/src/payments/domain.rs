//! Payments: what a client sends, what a payment and an operation on its money are, and the rules between them.

mod findings;
mod listed;
mod money;
mod names;
mod refunds;
mod requests;
mod shown;

pub use findings::{Dispute, Finding, ResolveFinding};
pub use listed::{Listed, ListedRefund, Reconciled, ReconciledProvider};
pub use money::{Amounts, Attempt, Closed, Known, Observed, Reviewed, Terms};
pub use names::{
    Capture, Cause, DUE, FindingKind, Method, OperationKind, OperationStatus, OrderPaymentStatus, PaymentStatus,
    Provider,
};
pub use refunds::{PaidOutBy, RefundPayment, TakePayment, not_through};
pub use requests::{
    AskedPayment, ConfirmPayment, Decision, OpenPayment, PlacePayment, RequestedPayment, ReviewPayment, Trial,
};
use serde::Serialize;
use shared_types::{Money, OrderId, PaymentId};
pub use shown::{PROVIDER_ERROR, RefundState, Session, Shown, ShownRefund};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// How long banks may take to say how a payment ended.
const COMES_LATE: time::Duration = time::Duration::days(3);

/// A payment as it is kept and shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Its number.
    pub id: PaymentId,
    /// The name by which the provider knows it.
    #[serde(skip)]
    pub reference: Uuid,
    /// The order.
    pub order_id: OrderId,
    /// By what it is paid.
    pub method: Method,
    /// Who takes the money.
    pub provider: Provider,
    /// The provider's name of it, as its dashboard shows it; null until it knows of the payment.
    #[schema(required, example = json!(null))]
    pub provider_id: Option<String>,
    /// The provider's name of the movement of money.
    #[serde(skip)]
    pub provider_payment_id: Option<String>,
    /// What is to be paid.
    pub amount: Money,
    /// The currency, as ISO 4217 has it.
    #[schema(example = "INR")]
    pub currency: String,
    /// When the money is taken.
    pub capture: Capture,
    /// Where it stands.
    pub status: PaymentStatus,
    /// How much is promised, or was.
    #[schema(example = 0.0)]
    pub authorized: Money,
    /// How much was taken.
    #[schema(example = 0.0)]
    pub captured: Money,
    /// How much of what was promised was given back untaken.
    #[schema(example = 0.0)]
    pub released: Money,
    /// How much is to be given back or was: of no other refund.
    #[serde(skip)]
    pub refund_reserved: Money,
    /// How much was given back.
    #[schema(example = 0.0)]
    pub refunded: Money,
    /// Why the last attempt failed, as the provider names it.
    #[schema(required, example = json!(null))]
    pub error_code: Option<String>,
    /// By when it has to be paid, lest the order is cancelled; null where that does not matter.
    #[serde(with = "shared_types::times::option")]
    #[schema(required)]
    pub pay_by: Option<OffsetDateTime>,
    /// Since when it takes no more money.
    #[serde(skip)]
    pub closed_at: Option<OffsetDateTime>,
    /// When it was opened.
    #[serde(with = "shared_types::times")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "shared_types::times")]
    pub updated_at: OffsetDateTime,
    /// Its version, the ETag.
    #[serde(skip)]
    pub version: i64,
}

/// A payment with everything that was done to its money.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PaymentWithOperations {
    /// The payment.
    #[serde(flatten)]
    pub payment: Payment,
    /// What was done, oldest first.
    pub operations: Vec<Operation>,
}

/// What was done to the money of a payment, or is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Its id, which is also the key under which the provider does it once.
    #[schema(example = "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70")]
    pub id: Uuid,
    /// The payment.
    pub payment_id: PaymentId,
    /// What is done.
    pub kind: OperationKind,
    /// How much is moved.
    pub amount: Money,
    /// How far it is.
    pub status: OperationStatus,
    /// Why it is there.
    pub cause: Cause,
    /// Why the provider refused it, as the provider names it.
    #[schema(required, example = json!(null))]
    pub error_code: Option<String>,
    /// Why, in the words of who decided it.
    #[schema(required, example = "One piece was scratched")]
    pub reason: Option<String>,
    /// Whether people did it, and no provider was asked; left out where it is not so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false, example = false)]
    pub by_hand: bool,
    /// The provider's name of it.
    #[serde(skip)]
    pub provider_ref: Option<String>,
    /// When the provider was first asked.
    #[serde(skip)]
    pub first_sent_at: Option<OffsetDateTime>,
    /// When it was decided.
    #[serde(with = "shared_types::times")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "shared_types::times")]
    pub updated_at: OffsetDateTime,
}

/// The payment of an order that was opened last, as far as the order shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LatestPayment {
    /// Its number.
    pub id: PaymentId,
    /// By what it is paid.
    pub method: Method,
    /// What is to be paid.
    pub amount: Money,
    /// By when.
    pub pay_by: Option<OffsetDateTime>,
}

impl Payment {
    /// What it is for.
    pub fn terms(&self) -> Terms {
        Terms { reference: self.reference, amount: self.amount, currency: self.currency.clone() }
    }

    /// What is known of its money.
    pub fn known(&self) -> Known {
        Known {
            amounts: Amounts { authorized: self.authorized, captured: self.captured, released: self.released },
            refunded: self.refunded,
            attempt: Attempt::of(self.status),
            closed: Closed::of(self.status),
            review: self.status == PaymentStatus::Review,
        }
    }

    /// Whether a provider shows what fits it.
    pub fn fits(&self, shown: &Shown) -> bool {
        let is_it = self.provider_id.as_ref().is_none_or(|id| *id == shown.provider_id);
        let known = Known { review: false, ..self.known() };
        is_it && !known.seeing(&self.terms(), &shown.observed).review
    }

    /// What it comes to for its order.
    pub fn of_order(&self) -> OrderPaymentStatus {
        match self.status {
            PaymentStatus::Created | PaymentStatus::ActionRequired | PaymentStatus::Failed => match self.provider {
                Provider::OnDelivery => OrderPaymentStatus::OnDelivery,
                Provider::Stripe | Provider::Razorpay => OrderPaymentStatus::Due,
            },
            PaymentStatus::Authorized => OrderPaymentStatus::Authorized,
            PaymentStatus::Captured => OrderPaymentStatus::Paid,
            PaymentStatus::PartRefunded => OrderPaymentStatus::PartRefunded,
            PaymentStatus::Refunded => OrderPaymentStatus::Refunded,
            PaymentStatus::Voided | PaymentStatus::Expired => OrderPaymentStatus::Voided,
            PaymentStatus::Review => OrderPaymentStatus::Review,
        }
    }

    /// Whether it can be paid: it is open, nothing of it was taken, and nobody has to look at it first.
    pub fn is_payable(&self) -> bool {
        self.closed_at.is_none() && self.captured == Money::default() && self.status != PaymentStatus::Review
    }

    /// Whether its money is promised and was not taken yet.
    pub fn waits_for_capture(&self) -> bool {
        self.status == PaymentStatus::Authorized && !self.provider.is_on_delivery()
    }

    /// By when promised money is taken although the goods have not gone out: a day before the promise runs out, which Stripe has
    /// a week for. At once where it is not to wait for them: a provider that takes it by itself may leave what comes late.
    pub fn take_by(&self) -> Option<OffsetDateTime> {
        let may_wait = match self.capture {
            Capture::Automatic => time::Duration::ZERO,
            Capture::Manual => time::Duration::days(6),
        };
        self.waits_for_capture().then(|| self.created_at + may_wait)
    }

    /// Whether it was closed here lately, and its provider cannot close it: the customer may still pay.
    pub fn may_come_late(&self, now: OffsetDateTime) -> bool {
        let is_open_there = self.provider_id.is_some() && !self.provider.can_close();
        let is_closed_here = self.status == PaymentStatus::Voided && self.captured == Money::default();
        is_open_there && is_closed_here && now - self.created_at < COMES_LATE
    }

    /// How much of what was taken is not on its way back.
    pub fn refundable(&self) -> Money {
        self.captured - self.refund_reserved
    }
}

#[cfg(test)]
mod sample;
