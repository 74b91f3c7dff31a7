//! The rules about money by a provider: an order that waits for it, and one whose money goes back, or should.

use super::{Facts, cancel, has, why_cancelled};
use crate::explained::Reason;
use crate::orders::domain::OrderPayment;
use crate::payments::{
    Operation, OperationKind, OperationStatus, OrderPaymentStatus, Payment, PaymentStatus, PaymentWithOperations,
    not_through,
};
use shared_types::OrderStatus;

/// The payment that was opened last, in whatever way it is known.
fn latest(facts: &Facts) -> Option<&PaymentWithOperations> {
    facts.payments.first()
}

/// The payment for which the order waits.
fn due(facts: &Facts) -> Option<(&OrderPayment, &PaymentWithOperations)> {
    let payment = facts.order.payment.as_deref().filter(|payment| payment.status.is_due())?;
    has(facts, OrderStatus::Pending)?;
    Some((payment, latest(facts)?))
}

fn to_be_paid(reason: Reason, facts: &Facts, payment: &OrderPayment) -> Reason {
    let reason = match payment.pay_by {
        Some(pay_by) => reason.then("it is cancelled unless it is paid by then", Some(pay_by)),
        None => reason,
    };
    let again = format!("POST /api/orders/{}/payments", facts.order.id);
    reason.can([format!("GET /api/payments/{}", payment.id), again]).can(cancel(facts))
}

/// Why the last attempt failed, in the provider's word.
fn code(payment: &Payment) -> &str {
    payment.error_code.as_deref().unwrap_or("no reason given")
}

pub(super) fn under_review(facts: &Facts) -> Option<Reason> {
    let payment = facts.order.payment.as_ref().filter(|payment| payment.status == OrderPaymentStatus::Review)?;
    let because = "Its payment is under review: what the provider shows does not fit. Nothing is done about its money.";
    let reason = Reason::new(because).waits_for("an operator to decide about its payment");
    let reason = reason.next("somebody compares it with the provider's dashboard and decides", None);
    let review = format!("POST /api/payments/{}/review", payment.id);
    Some(reason.can([review, "GET /api/admin/payments/findings?open=true".to_owned()]))
}

pub(super) fn refund_under_way(facts: &Facts) -> Option<Reason> {
    has(facts, OrderStatus::Cancelled)?;
    let by_provider = facts.payments.iter().filter(|payment| !payment.payment.provider.is_on_delivery());
    let (payment, refund) = by_provider
        .flat_map(|payment| payment.operations.iter().map(move |operation| (&payment.payment, operation)))
        .find(|(_, it)| {
            it.kind == OperationKind::Refund && (it.status.is_open() || it.status == OperationStatus::Accepted)
        })?;
    let (provider, amount) = (payment.provider, refund.amount);
    let so_far = match refund.status {
        OperationStatus::Accepted => format!("{provider} has it and gives it back"),
        OperationStatus::Unknown => format!("whether {provider} did is not known yet"),
        _ => format!("{provider} is being asked to"),
    };
    let because = format!("Its money goes back: {amount}, {so_far}. {}", why_cancelled(facts));
    let reason = Reason::new(because).waits_for(provider.as_str()).next("a look shows that it is back", None);
    Some(reason.can([format!("GET /api/payments/{}", payment.id)]))
}

/// What a provider took for a cancelled order, and does not give back by itself any more.
pub(super) fn to_be_given_back(facts: &Facts) -> Option<Reason> {
    has(facts, OrderStatus::Cancelled)?;
    let is_kept =
        |it: &&PaymentWithOperations| !it.payment.provider.is_on_delivery() && it.payment.refundable().is_positive();
    let PaymentWithOperations { payment, operations } = facts.payments.iter().find(is_kept)?;
    let (provider, amount) = (payment.provider, payment.refundable());
    let refunds = format!("POST /api/payments/{}/refunds", payment.id);
    let why_cancelled = why_cancelled(facts);
    let failed = |it: &&Operation| matches!(it.status, OperationStatus::Refused | OperationStatus::Reversed);
    let mut failed = operations.iter().rev().filter(failed);
    let can_be_by_hand = not_through(operations).is_positive();
    let Some(refund) = failed.find(|it| it.kind == OperationKind::Refund && can_be_by_hand) else {
        let because = format!("Its money was taken, and no refund is under way: {amount}. {why_cancelled}");
        let reason = Reason::new(because).waits_for("an operator to give its money back");
        return Some(reason.next(format!("an operator has {provider} give it back"), None).can([refunds]));
    };
    let code = refund.error_code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
    let because = format!(
        "Its refund did not go through: {amount}, {}{code}. The next one goes by {provider} again, unless it is by hand. \
         {why_cancelled}",
        refund.status
    );
    let reason = Reason::new(because).waits_for("an operator to give its money back");
    let next = format!("an operator has {provider} give it back again, or notes that it was paid out by hand");
    let by_hand = format!(r#"{refunds} {{"by": "HAND"}}"#);
    Some(reason.next(next, None).can([refunds, by_hand, "GET /api/admin/payments/findings?open=true".to_owned()]))
}

/// No payment is open for which the order could wait.
pub(super) fn called_off(facts: &Facts) -> Option<Reason> {
    let (due, latest) = due(facts)?;
    (due.status == OrderPaymentStatus::Voided).then_some(())?;
    let because = match latest.payment.status {
        PaymentStatus::Expired => {
            "The promise of its money ran out before it was taken. Another payment can be opened."
        }
        _ => "Its payment was called off before anything was paid. Another can be opened.",
    };
    let reason = Reason::new(because).waits_for("its customer").next("another payment is opened and paid", None);
    let reason = match latest.payment.pay_by {
        Some(pay_by) => reason.then("it is cancelled unless it is paid by then", Some(pay_by)),
        None => reason,
    };
    Some(reason.can([format!("POST /api/orders/{}/payments", facts.order.id)]).can(cancel(facts)))
}

pub(super) fn outcome_unknown(facts: &Facts) -> Option<Reason> {
    let (due, payment) = due(facts)?;
    let unknown = payment.operations.iter().find(|it| it.status == OperationStatus::Unknown)?;
    let (provider, kind) = (payment.payment.provider, unknown.kind);
    let because =
        format!("It has to be paid first. {provider} was asked for {kind}, and whether it was done is not known.");
    let reason = Reason::new(because).waits_for(provider.as_str());
    Some(to_be_paid(reason.next("the same is asked again under the same key, or a look shows it", None), facts, due))
}

pub(super) fn attempt_failed(facts: &Facts) -> Option<Reason> {
    let (due, payment) = due(facts)?;
    (payment.payment.status == PaymentStatus::Failed).then_some(())?;
    let (provider, code) = (payment.payment.provider, code(&payment.payment));
    let because = format!("It has to be paid first. {provider} refused the last attempt: {code}.");
    let reason = Reason::new(because).waits_for("its customer").next("its customer tries again", None);
    Some(to_be_paid(reason, facts, due))
}

pub(super) fn customer_has_to_act(facts: &Facts) -> Option<Reason> {
    let (due, payment) = due(facts)?;
    (payment.payment.status == PaymentStatus::ActionRequired).then_some(())?;
    let because =
        "It has to be paid first. Its customer has begun and has something to do, such as at the page of a bank.";
    let reason = Reason::new(because).waits_for("its customer").next("its customer confirms the payment", None);
    Some(to_be_paid(reason, facts, due))
}
