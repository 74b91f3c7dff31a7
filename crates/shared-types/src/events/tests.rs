//! What is read of events that other builds wrote.

use super::{OrderSnapshot, RawEvent, ReservationChanged, UnreadableEvent};

fn message(version: u32) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70","source":"/inventory-service",
            "type":"reservation.committed","subject":"x","time":"2026-01-31T12:00:00Z",
            "datacontenttype":"application/json","dataversion":{version},"later":true,
            "data":{{"reference":"01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70","later":1}}}}"#
    )
}

#[test]
fn fields_added_later_are_passed_over() {
    let event = RawEvent::parse(message(1).as_bytes()).unwrap();
    let data: ReservationChanged = event.data().unwrap();
    assert_eq!(data.reference.to_string(), "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70");
}

#[test]
fn a_newer_version_is_not_guessed_at() {
    let refused = RawEvent::parse(message(2).as_bytes()).unwrap_err();
    assert!(matches!(refused, UnreadableEvent::TooNew { version: 2, .. }), "{refused}");
    assert!(matches!(RawEvent::parse(b"{}"), Err(UnreadableEvent::Malformed(_))));
}

#[test]
fn events_of_earlier_builds_are_read() {
    let reference = r#""reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70""#;
    let changed: OrderSnapshot =
        serde_json::from_str(&format!(r#"{{"orderId": 7, {reference}, "reason": "late"}}"#)).unwrap();
    assert_eq!((changed.order_id.0, changed.reason.as_deref()), (7, Some("late")));
    assert!(changed.customer_email.is_empty() && changed.items.is_empty() && changed.payment.is_none());
    assert!(!serde_json::to_string(&changed).unwrap().contains("payment"), "an order without one has the bytes it had");
    let created = format!(
        r#"{{"orderId": 7, {reference}, "customerName": "Ada", "customerEmail": "ada@example.com", "totalAmount": 5.00,
            "items": [{{"productId": 2, "productName": "Mouse", "quantity": 1, "price": 5.00}}]}}"#
    );
    let created: OrderSnapshot = serde_json::from_str(&created).unwrap();
    assert_eq!((created.customer_email.as_str(), created.customer_phone), ("ada@example.com", None));
    assert_eq!(created.items[0].product_name.as_deref(), Some("Mouse"));
}
