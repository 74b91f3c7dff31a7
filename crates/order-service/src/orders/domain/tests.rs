//! What is refused, what is merged, and that sums are exact.

use super::{PlaceOrder, PlaceOrderLine, placement_deadline, total};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use rust_decimal::Decimal;
use shared_types::reservations::{Reservation, ReservationStatus, ReservedLine};
use shared_types::{InvalidTransition, Money, OrderId, OrderStatus, ProductId, Reference, Transition};
use time::{Duration, OffsetDateTime};

fn line(product: i64, quantity: i64) -> PlaceOrderLine {
    PlaceOrderLine { product_id: Some(product), quantity: Some(quantity), unit_price: None }
}

fn order(items: Vec<PlaceOrderLine>) -> PlaceOrder {
    PlaceOrder {
        customer_name: Some(" Ada Lovelace ".to_owned()),
        customer_email: Some("ada@example.com".to_owned()),
        shipping_address: Some("London".to_owned()),
        items: Some(items),
        ..PlaceOrder::default()
    }
}

fn reservation(lines: &[(i64, i32)]) -> Reservation {
    let items = lines.iter().map(|(cents, quantity)| ReservedLine {
        product_id: ProductId(1),
        sku: String::new(),
        name: String::new(),
        quantity: *quantity,
        unit_price: Money::from(Decimal::new(*cents, 2)),
    });
    Reservation {
        id: Reference::random(),
        status: ReservationStatus::Held,
        items: items.collect(),
        created_at: OffsetDateTime::UNIX_EPOCH,
        expires_at: OffsetDateTime::UNIX_EPOCH + Duration::seconds(60),
        direct: false,
    }
}

#[test]
fn lines_of_one_product_are_added_up_and_sorted() {
    let (parsed, _) = order(vec![line(9, 1), line(2, 3), line(9, 4)]).parse().unwrap();
    let lines: Vec<_> = parsed.lines.iter().map(|l| (l.product_id.0, l.quantity)).collect();
    assert_eq!(lines, [(2, 3), (9, 5)]);
    assert_eq!(parsed.customer_name, "Ada Lovelace");
}

#[test]
fn an_order_has_an_address_or_the_id_of_one() {
    let id = "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70";
    let parse = |address: Option<&str>, id: Option<&str>| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let body =
            PlaceOrder { shipping_address: text(address), shipping_address_id: text(id), ..order(vec![line(1, 1)]) };
        let parsed = body.parse().map(|(order, id)| (order.shipping_address, id.map(|id| id.to_string())));
        parsed.map_err(|errors| errors.0.into_keys().collect::<Vec<_>>())
    };
    assert_eq!(parse(Some("London"), None), Ok(("London".to_owned(), None)));
    assert_eq!(parse(None, Some(id)), Ok((String::new(), Some(id.to_owned()))));
    assert_eq!(parse(None, None), Err(vec!["shippingAddress".to_owned()]));
    for (address, id) in [(Some("London"), id), (Some(" "), id), (None, "x"), (None, ""), (None, &id.replace('-', ""))]
    {
        assert_eq!(parse(address, Some(id)), Err(vec!["shippingAddressId".to_owned()]), "{address:?} {id}");
    }
}

#[test]
fn every_field_at_fault_is_named_at_once() {
    let nothing = PlaceOrder {
        customer_email: Some("ada".to_owned()),
        customer_phone: Some("call me".to_owned()),
        shipping_address: Some(" ".to_owned()),
        items: Some(vec![
            line(0, 0),
            PlaceOrderLine { product_id: None, quantity: None, unit_price: None },
            line(1, 1_000_001),
        ]),
        ..PlaceOrder::default()
    };
    let errors = nothing.parse().unwrap_err().0;
    let fields: Vec<_> = errors.keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "customerEmail",
            "customerName",
            "customerPhone",
            "items[0].productId",
            "items[0].quantity",
            "items[1].productId",
            "items[1].quantity",
            "items[2].quantity",
            "shippingAddress",
        ]
    );
}

#[test]
fn an_order_has_1_to_100_lines() {
    for items in [vec![], vec![line(1, 1); 101]] {
        let errors = order(items).parse().unwrap_err();
        assert_eq!(errors.0["items"], "must have 1 to 100 lines");
    }
    assert_eq!(order(vec![line(1, 1_000_000); 100]).parse().unwrap().0.lines[0].quantity, 100_000_000);
}

#[test]
fn addresses_that_cannot_be_are_refused() {
    for bad in ["a@b", "@b.c", "a@", "a b@c.de", "a@b@c.de", "a@.de", "<a@b.de>"] {
        let errors = PlaceOrder { customer_email: Some(bad.to_owned()), ..order(vec![line(1, 1)]) }.parse();
        assert!(errors.is_err(), "{bad} was taken");
    }
}

#[test]
fn numbers_and_deadlines() {
    assert_eq!(OrderId(42).order_number(), "ORD-00000042");
    assert_eq!(OrderId(123_456_789).order_number(), "ORD-123456789");
    let held = reservation(&[]);
    assert_eq!(placement_deadline(&held), Some(OffsetDateTime::UNIX_EPOCH + Duration::seconds(45)));
    assert_eq!(placement_deadline(&Reservation { status: ReservationStatus::Committed, ..held }), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_total_is_exact_to_the_cent(lines in prop::collection::vec((1i64..1_000_000_000_000, 1i32..1_000_000), 1..100)) {
        let cents: i128 = lines.iter().map(|(cents, quantity)| i128::from(*cents) * i128::from(*quantity)).sum();
        let expected = format!("{}.{:02}", cents / 100, cents % 100);
        assert_eq!(total(&reservation(&lines)).to_string(), expected);
    }

    #[test]
    fn whatever_is_asked_for_the_life_of_an_order_stays_legal(asked in prop::collection::vec(0usize..5, 0..40)) {
        let rank = |status| OrderStatus::ALL.iter().position(|s| *s == status);
        let mut status = OrderStatus::Pending;
        for to in asked.into_iter().map(|index| OrderStatus::ALL[index]) {
            match status.transition(to) {
                Ok(Transition::None) => assert_eq!(status, to),
                Ok(Transition::To(next)) => {
                    assert!(rank(next) > rank(status), "{status} went back to {next}");
                    assert!(status != OrderStatus::Delivered && status != OrderStatus::Cancelled);
                    assert!(next != OrderStatus::Cancelled || status != OrderStatus::Shipped);
                    status = next;
                }
                Err(InvalidTransition { from, to: refused }) => assert_eq!((from, refused), (status, to)),
            }
        }
    }

    #[test]
    fn parsing_never_panics_and_what_it_takes_is_in_range(items in prop::collection::vec((any::<i64>(), any::<i64>()), 0..120)) {
        let items: Vec<_> = items.into_iter().map(|(product, quantity)| line(product, quantity)).collect();
        if let Ok((parsed, _)) = order(items).parse() {
            assert!(parsed.lines.iter().all(|line| line.product_id.0 >= 1 && line.quantity >= 1));
        }
    }
}
