//! Whatever is asked for, in whatever order: stock is never negative and never lost.

use super::{HoldDecision, HoldPlan, LockedProducts, Refusal, UnknownProduct, decide};
use crate::products::Product;
use crate::reservations::domain::requests::{LineBody, ReservationBody, Wanted};
use proptest::prelude::*;
use shared_types::reservations::{Reservation, ReservationStatus};
use shared_types::{Money, ProductId, Reference};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

fn product(id: i64, stock: i32) -> Product {
    Product {
        id: ProductId(id),
        sku: format!("SKU-{id}"),
        name: format!("Product {id}"),
        description: None,
        price: Money::default(),
        stock_quantity: stock,
        reserved: 0,
        low_stock_threshold: 1,
        active: true,
        created_at: OffsetDateTime::UNIX_EPOCH,
        updated_at: OffsetDateTime::UNIX_EPOCH,
        version: 1,
    }
}

fn products(stock: &[i32]) -> LockedProducts {
    (1..).zip(stock).map(|(id, stock)| (ProductId(id), product(id, *stock))).collect()
}

fn wanted(id: u128, lines: &[(i64, i32)]) -> Wanted {
    let line = |(product, quantity): &(i64, i32)| LineBody {
        product_id: Some(*product),
        quantity: Some(i64::from(*quantity)),
    };
    let body =
        ReservationBody { id: Some(Reference(Uuid::from_u128(id))), items: Some(lines.iter().map(line).collect()) };
    body.parse().unwrap()
}

fn as_kept(plan: &HoldPlan, status: ReservationStatus) -> Vec<Reservation> {
    let kept = |hold: &super::Hold| Reservation {
        id: hold.id,
        status,
        items: hold.lines.clone(),
        created_at: OffsetDateTime::UNIX_EPOCH,
        expires_at: OffsetDateTime::UNIX_EPOCH,
        direct: false,
    };
    plan.holds.iter().map(kept).collect()
}

#[test]
fn the_last_piece_is_sold_once() {
    let mut products = products(&[1]);
    let plan = decide(&mut products, &[], &[wanted(1, &[(1, 1)]), wanted(2, &[(1, 1)])]);
    assert_eq!(plan.decisions[0], HoldDecision::Held);
    let HoldDecision::Refused(refusal) = &plan.decisions[1] else { panic!("sold twice") };
    assert_eq!(refusal.to_string(), "SKU-1: 1 requested, 0 available");
}

#[test]
fn all_short_lines_are_named_and_nothing_is_taken() {
    let mut products = products(&[1, 5, 2]);
    let plan = decide(&mut products, &[], &[wanted(1, &[(3, 3), (2, 5), (1, 9)])]);
    let HoldDecision::Refused(refusal) = &plan.decisions[0] else { panic!("held") };
    assert_eq!(refusal.to_string(), "SKU-1: 9 requested, 1 available; SKU-3: 3 requested, 2 available");
    assert_eq!((plan.holds.len(), plan.movements.len()), (0, 0));
    assert_eq!(products.values().map(|p| p.stock_quantity).collect::<Vec<_>>(), [1, 5, 2]);
}

#[test]
fn all_unknown_products_are_named() {
    let mut products = products(&[9, 9]);
    if let Some(product) = products.get_mut(&ProductId(2)) {
        product.active = false;
    }
    let plan = decide(&mut products, &[], &[wanted(1, &[(7, 1), (2, 1), (1, 1)])]);
    let unknown = vec![UnknownProduct::Inactive(ProductId(2)), UnknownProduct::Missing(ProductId(7))];
    assert_eq!(plan.decisions, [HoldDecision::Refused(Refusal::UnknownProducts(unknown))]);
}

#[test]
fn the_same_request_takes_once_also_within_a_batch() {
    let mut stock = products(&[5]);
    let twice = [wanted(1, &[(1, 2)]), wanted(1, &[(1, 1), (1, 1)])];
    let plan = decide(&mut stock, &[], &twice);
    assert_eq!(plan.decisions, [HoldDecision::Held, HoldDecision::Repeated]);
    for status in [ReservationStatus::Held, ReservationStatus::Committed] {
        let again = decide(&mut stock, &as_kept(&plan, status), &twice);
        assert_eq!(again.decisions, [HoldDecision::Repeated, HoldDecision::Repeated]);
    }
    assert_eq!(stock[&ProductId(1)].stock_quantity, 3);
}

#[test]
fn the_same_reference_with_other_items_is_refused() {
    let mut stock = products(&[5, 5]);
    let plan = decide(&mut stock, &[], &[wanted(1, &[(1, 2)]), wanted(1, &[(1, 3)])]);
    let mismatch = HoldDecision::Refused(Refusal::Mismatch(Reference(Uuid::from_u128(1))));
    assert_eq!(plan.decisions, [HoldDecision::Held, mismatch.clone()]);
    let released = as_kept(&plan, ReservationStatus::Released);
    assert_eq!(decide(&mut stock, &released, &[wanted(1, &[(2, 2)])]).decisions, [mismatch]);
}

#[test]
fn a_released_reservation_is_held_anew() {
    let mut stock = products(&[5]);
    let plan = decide(&mut stock, &[], &[wanted(1, &[(1, 2)])]);
    let again = decide(&mut stock, &as_kept(&plan, ReservationStatus::Released), &[wanted(1, &[(1, 2)])]);
    assert_eq!(again.decisions, [HoldDecision::Held]);
    assert!(again.holds[0].anew);
    assert_eq!(stock[&ProductId(1)].stock_quantity, 1);
}

#[test]
fn low_stock_is_announced_when_it_is_reached_and_only_then() {
    let mut stock = products(&[4]);
    let orders = [wanted(1, &[(1, 2)]), wanted(2, &[(1, 1)]), wanted(3, &[(1, 1)])];
    let plan = decide(&mut stock, &[], &orders);
    assert_eq!(plan.low.iter().map(|low| low.event.0.stock_quantity).collect::<Vec<_>>(), [1]);
}

fn requests() -> impl Strategy<Value = Vec<Wanted>> {
    let lines = prop::collection::vec((1_i64..=5, 1_i32..=20), 1..=6);
    prop::collection::vec((1_u128..13, lines).prop_map(|(id, lines)| wanted(id, &lines)), 0..=40)
}

proptest! {
    #[test]
    fn stock_is_never_negative_and_never_lost(
        stock in prop::collection::vec(0_i32..=60, 4),
        batches in prop::collection::vec(requests(), 1..=3),
    ) {
        let mut products = products(&stock);
        let mut balance: BTreeMap<ProductId, i32> = products.values().map(|p| (p.id, p.stock_quantity)).collect();
        let mut kept = Vec::new();
        for batch in &batches {
            let plan = decide(&mut products, &kept, batch);
            prop_assert_eq!(plan.decisions.len(), batch.len());
            for movement in &plan.movements {
                let balance = balance.entry(movement.product_id).or_default();
                *balance += movement.delta;
                prop_assert_eq!(*balance, movement.balance_after);
                prop_assert!(*balance >= 0);
            }
            prop_assert_eq!(plan.decisions.iter().filter(|v| **v == HoldDecision::Held).count(), plan.holds.len());
            kept.extend(as_kept(&plan, ReservationStatus::Held));
        }
        let mut held: BTreeMap<ProductId, i32> = BTreeMap::new();
        for line in kept.iter().flat_map(|reservation| &reservation.items) {
            *held.entry(line.product_id).or_default() += line.quantity;
        }
        for (product, stock) in products.values().zip(&stock) {
            prop_assert_eq!(product.stock_quantity, balance[&product.id]);
            prop_assert_eq!(product.stock_quantity + held.get(&product.id).copied().unwrap_or_default(), *stock);
        }
    }
}
