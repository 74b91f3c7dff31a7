//! Each rule is seen to hold and to be broken.

use super::breaches;
use crate::records::{Order, Reservation};
use serde_json::json;
use time::macros::datetime;

const NOW: time::OffsetDateTime = datetime!(2026-01-31 12:01 UTC);

fn number(digits: &str) -> serde_json::Value {
    serde_json::from_str(digits).unwrap()
}

fn order(status: &str) -> Order {
    let line = json!({
        "productId": 1, "productName": "Laptop", "quantity": 3, "price": number("0.10"), "subtotal": number("0.30"),
    });
    let order = json!({
        "id": 7, "reference": "r", "customerName": "Ada", "customerEmail": "ada@example.com", "status": status,
        "totalAmount": number("0.30"), "items": [line],
    });
    serde_json::from_value(order).unwrap()
}

fn accepted(status: &str) -> Order {
    let mut order = order(status);
    order.total_amount = None;
    for line in &mut order.items {
        (line.price, line.subtotal, line.product_name) = (None, None, None);
    }
    order
}

fn reservation(status: &str) -> Reservation {
    let reservation = json!({
        "id": "r", "status": status, "createdAt": "2026-01-31T12:00:30Z",
        "items": [{"productId": 1, "quantity": 3, "unitPrice": number("0.10")}],
    });
    serde_json::from_value(reservation).unwrap()
}

/// The names of what is broken.
fn found(order: Option<&Order>, reservation: Option<&Reservation>) -> Vec<String> {
    breaches(order, reservation, NOW).into_iter().map(|breach| breach.invariant).collect()
}

#[test]
fn an_order_stands_where_its_reservation_does() {
    let statuses = ["HELD", "COMMITTED", "RELEASED", "missing"];
    let allowed = |order: &Order| -> Vec<&str> {
        let holds = |status: &&str| {
            let reservation = (*status != "missing").then(|| reservation(status));
            found(Some(order), reservation.as_ref()).is_empty()
        };
        statuses.into_iter().filter(holds).collect()
    };
    assert_eq!(allowed(&order("PENDING")), ["HELD", "COMMITTED"]);
    assert_eq!(allowed(&order("CONFIRMED")), ["COMMITTED"]);
    assert_eq!(allowed(&order("SHIPPED")), ["COMMITTED"]);
    assert_eq!(allowed(&order("DELIVERED")), ["COMMITTED"]);
    assert_eq!(allowed(&order("CANCELLED")), ["RELEASED", "missing"]);
    assert_eq!(allowed(&accepted("PENDING")), ["HELD", "RELEASED", "missing"]);
    assert_eq!(allowed(&accepted("CANCELLED")), ["RELEASED", "missing"]);
    assert_eq!(allowed(&accepted("CONFIRMED")), [""; 0]);
}

#[test]
fn lines_are_compared_digit_by_digit() {
    let committed = reservation("COMMITTED");
    let mut other = committed.clone();
    other.items[0].quantity = 2;
    assert_eq!(found(Some(&order("CONFIRMED")), Some(&other)), ["order-has-its-stock"]);
    let mut other = committed.clone();
    other.items[0].unit_price = serde_json::from_str("0.1").unwrap();
    assert_eq!(found(Some(&order("CONFIRMED")), Some(&other)), ["order-has-its-stock"]);
    let mut other = committed;
    other.items[0].product_id = 2;
    assert_eq!(found(Some(&order("CONFIRMED")), Some(&other)), ["order-has-its-stock"]);
}

#[test]
fn amounts_are_exact() {
    let committed = reservation("COMMITTED");
    let mut wrong = order("CONFIRMED");
    wrong.total_amount = serde_json::from_str("0.31").unwrap();
    assert_eq!(found(Some(&wrong), Some(&committed)), ["totals-are-sums"]);
    let mut wrong = order("CONFIRMED");
    wrong.items[0].subtotal = serde_json::from_str("0.20").unwrap();
    assert_eq!(found(Some(&wrong), Some(&committed)), ["totals-are-sums"]);
    let mut wrong = accepted("PENDING");
    wrong.items[0].price = serde_json::from_str("0.10").unwrap();
    assert_eq!(found(Some(&wrong), None), ["totals-are-sums"]);
}

#[test]
fn committed_stock_has_its_order_unless_it_was_sold_directly() {
    let mut sold = reservation("COMMITTED");
    assert_eq!(found(None, Some(&sold)), ["stock-has-its-order"]);
    sold.direct = true;
    assert!(found(None, Some(&sold)).is_empty());
    assert!(found(None, Some(&reservation("RELEASED"))).is_empty());
}

#[test]
fn nothing_stays_held_for_longer_than_a_minute() {
    let mut held = reservation("HELD");
    assert!(found(None, Some(&held)).is_empty());
    held.created_at -= time::Duration::seconds(31);
    assert_eq!(found(None, Some(&held)), ["nothing-stays-held"]);
    assert_eq!(found(Some(&order("PENDING")), Some(&held)), ["nothing-stays-held"]);
}
