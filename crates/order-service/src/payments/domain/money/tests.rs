//! Looks in any order end where the money is, and never beyond.

use super::{Amounts, Attempt, Closed, Known, Observed, Reviewed, Terms};
use crate::payments::domain::PaymentStatus;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, proptest};
use rust_decimal::Decimal;
use shared_types::Money;
use uuid::Uuid;

const AMOUNT: i64 = 10_000;

fn cents(cents: i64) -> Money {
    Money::from(Decimal::new(cents, 2))
}

fn terms() -> Terms {
    Terms { reference: Uuid::nil(), amount: cents(AMOUNT), currency: "INR".to_owned() }
}

fn nothing() -> Known {
    let (amounts, refunded) = (Amounts::default(), Money::default());
    Known { amounts, refunded, attempt: Attempt::None, closed: None, review: false }
}

fn look(authorized: i64, captured: i64, released: i64) -> Observed {
    let Terms { reference, amount, currency } = terms();
    let amounts = Amounts { authorized: cents(authorized), captured: cents(captured), released: cents(released) };
    Observed { reference, amount, currency, amounts, attempt: Attempt::None, closed: None }
}

/// What a provider shows one after the other while a payment goes its way.
fn history() -> impl Strategy<Value = Vec<Observed>> {
    let attempts = prop::collection::vec(prop::sample::select(vec![Attempt::ActionRequired, Attempt::Failed]), 0..3);
    let end = (0..=AMOUNT, any::<bool>(), any::<bool>());
    (attempts, 1..=AMOUNT, end).prop_map(|(attempts, authorized, (captured, in_parts, expires))| {
        let captured = captured.min(authorized);
        let mut shown = vec![look(0, 0, 0)];
        shown.extend(attempts.into_iter().map(|attempt| Observed { attempt, ..look(0, 0, 0) }));
        shown.push(look(authorized, 0, 0));
        if in_parts {
            shown.push(look(authorized, captured / 2, 0));
        }
        shown.push(look(authorized, captured, 0));
        let closed = (captured == 0).then_some(if expires { Closed::Expired } else { Closed::Voided });
        shown.push(Observed { closed, ..look(authorized, captured, authorized - captured) });
        shown
    })
}

/// How far a payment is.
fn rank(status: PaymentStatus) -> i32 {
    match status {
        PaymentStatus::Created | PaymentStatus::ActionRequired | PaymentStatus::Failed => 0,
        PaymentStatus::Authorized => 1,
        _ => 2,
    }
}

fn after(looks: &[Observed]) -> Known {
    looks.iter().fold(nothing(), |known, observed| {
        let next = known.seeing(&terms(), observed);
        let (from, to) = (known.status(), next.status());
        assert!(from == to || from.may_become(to), "{from} to {to}");
        next
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn looks_in_any_order_and_any_number_end_in_the_same_or_an_older_state(
        (shown, order) in history().prop_flat_map(|shown| {
            let looks = prop::collection::vec(0..shown.len(), 0..3 * shown.len());
            (Just(shown), looks)
        })
    ) {
        let end = after(&shown);
        let known = after(&order.iter().map(|index| shown[*index].clone()).collect::<Vec<_>>());
        assert!(!known.review && !end.review);
        assert!(known.amounts.authorized <= end.amounts.authorized);
        assert!(known.amounts.captured <= end.amounts.captured && known.amounts.released <= end.amounts.released);
        assert!(rank(known.status()) <= rank(end.status()), "{} is beyond {}", known.status(), end.status());
        let was_shown = order.iter().any(|index| shown[*index].attempt == known.attempt);
        assert!(known.attempt == Attempt::None || was_shown, "{:?} was never shown", known.attempt);
        if order.contains(&(shown.len() - 1)) {
            assert_eq!((known.amounts, known.status()), (end.amounts, end.status()));
        }
    }

    #[test]
    fn the_same_look_again_changes_nothing(shown in history(), at in any::<prop::sample::Index>()) {
        let known = after(&shown);
        let again = known.seeing(&terms(), shown.last().unwrap());
        assert_eq!(again, known);
        let older = known.seeing(&terms(), at.get(&shown));
        assert_eq!((older.amounts, older.status()), (known.amounts, known.status()));
    }
}

#[test]
fn what_does_not_fit_changes_no_amount_and_needs_somebody_who_looks() {
    let fine = look(AMOUNT, AMOUNT, 0);
    let other_reference = Observed { reference: Uuid::max(), ..fine.clone() };
    let other_currency = Observed { currency: "USD".to_owned(), ..fine.clone() };
    let other_amount = Observed { amount: cents(1), ..fine.clone() };
    let (too_much, more_than_promised) = (look(AMOUNT + 1, AMOUNT + 1, 0), look(500, 501, 0));
    for wrong in [other_reference, other_currency, other_amount, too_much, more_than_promised, look(-1, 0, 0)] {
        let known = nothing().seeing(&terms(), &wrong);
        assert_eq!((known.amounts, known.status()), (Amounts::default(), PaymentStatus::Review), "{wrong:?}");
        assert_eq!(known.seeing(&terms(), &fine).status(), PaymentStatus::Review, "only an operator ends it");
    }
}

#[test]
fn only_what_somebody_has_decided_about_is_covered() {
    let wrong = |amounts: Observed| Observed { amount: cents(AMOUNT + 1), ..amounts };
    let decided = Reviewed::of(&wrong(look(AMOUNT + 1, 0, 0)));
    for on_its_way in [(0, 0, 0), (AMOUNT + 1, 0, 0), (AMOUNT + 1, AMOUNT + 1, 0), (AMOUNT + 1, 5, AMOUNT - 4)] {
        let (authorized, captured, released) = on_its_way;
        assert!(decided.covers(&wrong(look(authorized, captured, released))), "{on_its_way:?}");
    }
    let other_amount = Observed { amount: cents(AMOUNT + 2), ..look(AMOUNT + 1, 0, 0) };
    let other_reference = Observed { reference: Uuid::max(), ..wrong(look(AMOUNT + 1, 0, 0)) };
    let other_currency = Observed { currency: "USD".to_owned(), ..wrong(look(AMOUNT + 1, 0, 0)) };
    let (more, odd) = (wrong(look(AMOUNT + 2, 0, 0)), wrong(look(500, 501, 0)));
    for other in [look(AMOUNT + 1, 0, 0), other_amount, other_reference, other_currency, more, odd.clone()] {
        assert!(!decided.covers(&other), "{other:?}");
    }
    assert!(Reviewed::of(&odd).covers(&odd), "what cannot be is decided about as it is");
}

#[test]
fn what_somebody_has_decided_about_counts_up_to_what_the_payment_is_for() {
    let more = AMOUNT + 700;
    for (shown, counted) in [
        ((more, more, 0), (AMOUNT, AMOUNT, 0)),
        ((more, 0, 0), (AMOUNT, 0, 0)),
        ((more, 0, more), (AMOUNT, 0, AMOUNT)),
        ((more, 0, 700), (AMOUNT, 0, 0)),
        ((more, AMOUNT, 700), (AMOUNT, AMOUNT, 0)),
        ((more, 6_000, more - 6_000), (AMOUNT, 6_000, AMOUNT - 6_000)),
        ((500, 501, 0), (501, 501, 0)),
        ((-1, 0, 0), (0, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
    ] {
        let look = |(authorized, captured, released)| look(authorized, captured, released);
        let odd = Observed { reference: Uuid::max(), amount: cents(1), currency: "USD".to_owned(), ..look(shown) };
        assert_eq!(odd.within(&terms()), look(counted), "{shown:?}");
        assert!(!nothing().seeing(&terms(), &odd.within(&terms())).review);
    }
}

#[test]
fn what_is_paid_again_takes_the_place_of_what_went_back_untaken() {
    let expired = Observed { closed: Some(Closed::Expired), ..look(AMOUNT, 0, AMOUNT) };
    let (promised, again) = (look(AMOUNT, 0, 0), look(AMOUNT, AMOUNT, 0));
    for looks in [[&promised, &expired, &again, &expired], [&again, &expired, &promised, &again]] {
        let known = looks.iter().fold(nothing(), |known, observed| known.seeing(&terms(), observed));
        assert_eq!((known.amounts, known.status()), (again.amounts, PaymentStatus::Captured), "{looks:?}");
    }
    let part = nothing().seeing(&terms(), &expired).seeing(&terms(), &look(AMOUNT, 6_000, 0));
    assert_eq!((part.amounts.released, part.status()), (cents(AMOUNT - 6_000), PaymentStatus::Captured));
}

#[test]
fn a_failure_is_not_the_end_and_closed_is_not_either() {
    let failed = nothing().seeing(&terms(), &Observed { attempt: Attempt::Failed, ..look(0, 0, 0) });
    assert_eq!((failed.status(), failed.is_closed(&terms())), (PaymentStatus::Failed, false));
    let paid = failed.seeing(&terms(), &look(AMOUNT, AMOUNT, 0));
    assert_eq!((paid.status(), paid.is_closed(&terms())), (PaymentStatus::Captured, true));
    let late = paid.seeing(&terms(), &Observed { attempt: Attempt::Failed, ..look(0, 0, 0) });
    assert_eq!(late.status(), PaymentStatus::Captured, "a late failure takes nothing away");
    let voided = nothing().seeing(&terms(), &Observed { closed: Some(Closed::Voided), ..look(0, 0, 0) });
    assert_eq!((voided.status(), voided.is_closed(&terms())), (PaymentStatus::Voided, true));
    assert_eq!(voided.seeing(&terms(), &look(AMOUNT, AMOUNT, 0)).status(), PaymentStatus::Captured);
}

#[test]
fn the_status_of_taken_money_follows_from_what_was_given_back() {
    let captured = nothing().seeing(&terms(), &look(AMOUNT, AMOUNT, 0));
    for (refunded, status) in
        [(0, PaymentStatus::Captured), (1, PaymentStatus::PartRefunded), (AMOUNT, PaymentStatus::Refunded)]
    {
        assert_eq!(Known { refunded: cents(refunded), ..captured }.status(), status);
    }
}
