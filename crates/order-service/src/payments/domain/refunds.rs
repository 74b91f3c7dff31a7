//! What a client sends about money that is taken or given back, and how much of it did not go back when it was to.

use super::requests::no_card_number;
use super::{Operation, OperationKind, OperationStatus};
use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::validation::FieldErrors;
use shared_types::Money;
use utoipa::ToSchema;

/// Money that is taken: it was collected at the door, or the provider is to take it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakePayment {
    /// How much: all that is owed, or promised, and so it is where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, format = "decimal", minimum = 0.01, multiple_of = 0.01, example = 39.80)]
    pub amount: Option<Money>,
    /// What is to be known of it, such as the number of the receipt. The customer sees it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500, format = "lines", example = "Receipt 4711")]
    pub reason: Option<String>,
}

/// Money to be given back.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundPayment {
    /// How much. Where it is left out: all that can be given back, or by hand all that did not go through.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, format = "decimal", minimum = 0.01, multiple_of = 0.01, example = 5.00)]
    pub amount: Option<Money>,
    /// Why. The customer sees it, too.
    #[schema(required, nullable = false, max_length = 500, format = "lines", example = "One piece was scratched")]
    pub reason: Option<String>,
    /// `HAND` notes that people have paid it out. Of money that a provider took only where a refund did not go through.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<PaidOutBy>, example = "HAND")]
    pub by: Option<String>,
}

/// Who gives money back, where it is not the one who took it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub enum PaidOutBy {
    /// People: no provider is asked.
    #[serde(rename = "HAND")]
    Hand,
}

fn check_amount(errors: &mut FieldErrors, amount: Option<Money>) -> Option<Money> {
    if amount.is_some_and(|amount| !amount.is_positive()) {
        errors.add("amount", "must be at least 0.01");
    }
    amount
}

impl TakePayment {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<(Option<Money>, Option<String>), FieldErrors> {
        let mut errors = FieldErrors::default();
        let amount = check_amount(&mut errors, self.amount);
        let reason = errors.optional_lines("reason", self.reason.clone(), 500);
        no_card_number(&mut errors, "reason", reason.as_deref());
        errors.into_result((amount, reason))
    }
}

impl Body for TakePayment {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

impl RefundPayment {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<(Option<Money>, String, Option<PaidOutBy>), FieldErrors> {
        let mut errors = FieldErrors::default();
        let amount = check_amount(&mut errors, self.amount);
        let reason = errors.required_lines("reason", self.reason.clone(), 500);
        no_card_number(&mut errors, "reason", Some(&reason));
        let by_hand = self.by.as_deref().map(|by| by.eq_ignore_ascii_case("HAND"));
        if by_hand == Some(false) {
            errors.add("by", "must be HAND, or left out");
        }
        errors.into_result((amount, reason, by_hand.map(|_| PaidOutBy::Hand)))
    }
}

impl Body for RefundPayment {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

/// What of the refunds of a payment did not go through, and was not given back, or begun to be, since.
pub fn not_through(operations: &[Operation]) -> Money {
    let was_asked = |it: &&Operation| it.kind == OperationKind::Refund && it.status != OperationStatus::Dropped;
    let mut steps = Vec::new();
    for refund in operations.iter().filter(was_asked) {
        steps.push((refund.created_at, false, refund.amount));
        if !refund.status.is_live() {
            steps.push((refund.updated_at, true, refund.amount));
        }
    }
    // A refund begins before it fails.
    steps.sort_by_key(|(at, failed, _)| (*at, *failed));
    let nothing = Money::default();
    steps.into_iter().fold(nothing, |owed, (_, failed, amount)| match failed {
        true => owed + amount,
        false => (owed - amount).max(nothing),
    })
}

#[cfg(test)]
mod tests {
    use super::{RefundPayment, not_through};
    use crate::payments::domain::{Cause, Operation, OperationKind, OperationStatus};
    use rust_decimal::Decimal;
    use shared_types::{Money, PaymentId};
    use time::{Duration, OffsetDateTime};

    /// A refund of so much that was decided, and came to this, at these seconds.
    fn refund(amount: i64, (decided, ended): (i64, i64), status: OperationStatus) -> Operation {
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds);
        Operation {
            kind: OperationKind::Refund,
            amount: Money::from(Decimal::from(amount)),
            status,
            created_at: at(decided),
            updated_at: at(ended),
            ..Operation::sample(PaymentId(5))
        }
    }

    #[test]
    fn what_did_not_go_through_is_owed_until_it_is_given_back() {
        use OperationStatus::{Dropped, Prepared, Refused, Reversed, Succeeded};
        let failed = refund(30, (1, 5), Reversed);
        for (operations, owed) in [
            (vec![], 0),
            (vec![refund(30, (1, 1), Succeeded)], 0),
            (vec![failed.clone()], 30),
            (vec![refund(30, (1, 1), Refused)], 30),
            // One that went through before is none that takes its place.
            (vec![failed.clone(), refund(10, (3, 3), Succeeded)], 30),
            (vec![failed.clone(), refund(10, (6, 6), Succeeded)], 20),
            (vec![failed.clone(), refund(30, (6, 6), Prepared)], 0),
            (vec![failed.clone(), refund(30, (6, 7), Dropped)], 30),
            (vec![failed.clone(), refund(30, (6, 7), Refused)], 30),
            (vec![failed.clone(), refund(30, (6, 7), Refused), refund(30, (8, 8), Succeeded)], 0),
            (vec![failed, refund(5, (2, 6), Refused)], 35),
        ] {
            assert_eq!(not_through(&operations), Money::from(Decimal::from(owed)), "{operations:?}");
        }
        let other = Operation { kind: OperationKind::Capture, cause: Cause::Shipment, ..refund(9, (1, 1), Refused) };
        assert_eq!(not_through(&[other]), Money::default());
    }

    #[test]
    fn a_refund_is_by_hand_or_by_whom_the_money_was_taken() {
        let parse = |reason: &str, by: Option<&str>| {
            let body = RefundPayment { amount: None, reason: Some(reason.to_owned()), by: by.map(str::to_owned) };
            body.parse().map(|(_, _, by)| by.is_some()).map_err(|errors| errors.to_string())
        };
        assert_eq!((parse("x", None), parse("x", Some("hand"))), (Ok(false), Ok(true)));
        assert_eq!(parse("x", Some("STRIPE")).unwrap_err(), "by must be HAND, or left out");
        let error = parse("card 4242 4242 4242 4242!", None).unwrap_err();
        assert!(error.contains("must not have the number of a card") && !error.contains("4242"), "{error}");
    }
}
