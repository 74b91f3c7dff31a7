//! A refund ends where its provider has it, in whatever order and however often that is seen.

use super::RefundState;
use crate::payments::domain::OperationStatus;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop, proptest};

/// What a provider shows of a refund one after the other.
fn history() -> impl Strategy<Value = Vec<RefundState>> {
    use RefundState::{Failed, Pending, Succeeded};
    prop::sample::select(vec![
        vec![Succeeded],
        vec![Pending, Succeeded],
        vec![Pending, Failed],
        vec![Succeeded, Failed],
        vec![Pending, Succeeded, Failed],
        vec![Failed],
    ])
}

/// Where an operation can stand whose answer is not known, or was lost.
fn asked() -> impl Strategy<Value = OperationStatus> {
    prop::sample::select(vec![OperationStatus::Sent, OperationStatus::Unknown])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn refunds_seen_in_any_order_and_any_number_end_in_the_same_or_an_older_state(
        from in asked(),
        (shown, order) in history().prop_flat_map(|shown| {
            let looks = prop::collection::vec(0..shown.len(), 0..4 * shown.len());
            (Just(shown), looks)
        })
    ) {
        let mut at = from;
        let mut seen = Vec::new();
        for state in order.iter().map(|index| shown[*index]) {
            let before = at;
            if let Some(to) = state.moves(at) {
                assert!(before.may_become(to), "{before} to {to}");
                at = to;
            }
            seen.push(state);
            assert!(before.is_live() || !at.is_live(), "{before} to {at}: what is free stays free");
            assert_eq!(state.moves(at), None, "the same look again changes nothing");
        }
        let succeeds = seen.contains(&RefundState::Succeeded);
        assert!(at != OperationStatus::Succeeded || succeeds, "{at} was never shown: {seen:?}");
        assert!(at.is_live() || seen.contains(&RefundState::Failed), "{at} was never shown: {seen:?}");
        // Who has seen the end is there.
        if order.contains(&(shown.len() - 1)) {
            let end = *shown.last().unwrap();
            assert_eq!(at.is_live(), end != RefundState::Failed, "{at} after {seen:?}, of {shown:?}");
            assert_eq!(at == OperationStatus::Succeeded, end == RefundState::Succeeded, "{at} after {seen:?}");
        }
    }
}
