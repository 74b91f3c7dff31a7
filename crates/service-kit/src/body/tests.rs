//! What is read of a body, and what is said of one that cannot be read.

use super::{Body, Unknown, Unreadable, faultless, read, read_faults, read_value};
use crate::validation::FieldErrors;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use serde::Deserialize;
use serde_json::value::RawValue;
use shared_types::{Money, Reference};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    customer_name: Option<String>,
    reference: Option<Reference>,
    price: Option<Money>,
    gift: Option<bool>,
    items: Option<Vec<Line>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    product_id: Option<i64>,
    quantity: Option<i64>,
}

impl Body for Order {
    fn faults(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        errors.required_text("customerName", self.customer_name.clone(), 5);
        for (index, line) in self.items.iter().flatten().enumerate() {
            errors.required_number(format!("items[{index}].productId"), line.product_id, 1..=9);
            errors.required_number(format!("items[{index}].quantity"), line.quantity, 1..=9);
        }
        errors
    }
}

fn faults(json: &str) -> Vec<String> {
    match read::<Order>(json.as_bytes()) {
        Err(Unreadable::Invalid(errors)) => errors.0.into_iter().map(|(field, why)| format!("{field} {why}")).collect(),
        other => panic!("{json}: {other:?}"),
    }
}

#[test]
fn a_body_is_read_as_it_is_written() {
    let body = r#" {"customerName": "Ad\u00e9", "reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "price": 1.50e1,
        "gift": null, "items": [{"quantity": 2.0, "productId": 1e0}]} "#;
    for body in [body.to_owned(), format!("\u{feff}{}", body.trim())] {
        let order: Order = read(body.as_bytes()).unwrap();
        assert_eq!(order.customer_name.as_deref(), Some("Adé"));
        assert!(order.reference.is_some());
        assert_eq!((order.price.unwrap().to_string().as_str(), order.gift), ("15.00", None));
        assert_eq!(order.items.unwrap()[0].quantity, Some(2));
    }
}

#[test]
fn every_field_at_fault_is_named_whatever_is_wrong_with_it() {
    let found = faults(
        r#"{"customerName": 5, "reference": "x", "price": {"$serde_json::private::Number": "19.99"}, "gift": "yes",
            "items": [{"productId": "1", "quantity": 1.5}, [1, 2], {"productId": 0}, null], "color": 1, "gift": true}"#,
    );
    let fields: Vec<_> = found.iter().map(|fault| fault.split(' ').next().unwrap()).collect();
    let expected = ["color", "customerName", "gift", "items[0].productId", "items[0].quantity", "items[1]"];
    assert_eq!(fields[..6], expected, "{found:#?}");
    let expected = ["items[2].productId", "items[2].quantity", "items[3]", "price", "reference"];
    assert_eq!(fields[6..], expected, "{found:#?}");
    assert!(found.contains(&"items[0].quantity must be a whole number".to_owned()));
    assert!(found.contains(&"items[1] must be an object".to_owned()));
    assert!(found.contains(&"customerName must be a text".to_owned()));
}

#[test]
fn what_holds_a_field_at_fault_is_not_at_fault_itself() {
    #[derive(Debug, Deserialize)]
    struct Outer {
        inner: Option<Vec<Inner>>,
    }
    #[derive(Debug, Deserialize)]
    struct Inner {
        may: Option<Money>,
        #[serde(rename = "must")]
        _must: Reference,
    }
    impl Body for Outer {
        fn faults(&self) -> FieldErrors {
            let mut errors = FieldErrors::default();
            if self.inner.is_none() {
                errors.add("inner", "is required");
            }
            self.inner.iter().flatten().filter(|it| it.may.is_none()).for_each(|_| errors.add("may", "is required"));
            errors
        }
    }
    let fields = |json: &str| match read::<Outer>(json.as_bytes()) {
        Err(Unreadable::Invalid(errors)) => errors.0.into_keys().collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let reference = r#""must": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70""#;
    assert_eq!(fields(&format!(r#"{{"inner": [{{"may": 0.001, {reference}}}]}}"#)), ["inner[0].may", "may"]);
    // What must be there has no stand-in: what holds it is left out as well.
    assert_eq!(fields(r#"{"inner": [{"must": "x"}]}"#), ["inner", "inner[0].must"]);
}

#[test]
fn only_an_object_is_an_object() {
    for other in ["[]", "7", "null", "\"text\"", "true", r#"["Ada", null, null, null, []]"#, "{}[", "1e999"] {
        match read::<Order>(other.as_bytes()) {
            Err(Unreadable::Invalid(errors)) => assert_eq!(errors.to_string(), "body must be an object", "{other}"),
            Err(Unreadable::Malformed(_)) => assert_eq!(other, "{}["),
            Ok(body) => panic!("{other}: {body:?}"),
        }
    }
    assert_eq!(faults(r#"{"customerName": "Ada", "items": "x"}"#), ["items must be an array"]);
    assert_eq!(faults(r#"{"customerName": "Ada Lovelace", "items": {}}"#).len(), 2);
}

#[test]
fn a_field_that_stands_twice_is_named() {
    assert_eq!(faults(r#"{"customerName": "Ada", "customer\u004eame": "Eve"}"#), ["customerName stands twice"]);
    assert_eq!(faults(r#"{"customerName": "Ada", "x": 1, "x": 2}"#), ["x is not known here"]);
}

#[test]
fn what_is_not_known_is_passed_over_where_that_is_wanted() {
    let json = RawValue::from_string(r#"{"customerName": "Ada", "later": [[1]]}"#.to_owned()).unwrap();
    assert!(read_value::<Order>(&json, Unknown::PassedOver).is_ok());
    assert!(read_value::<Order>(&json, Unknown::Refused).is_err());
}

#[test]
fn what_is_no_json_is_malformed() {
    for malformed in [
        "",
        "{",
        "{\"a\": 1,}",
        "{} {}",
        "\u{0}",
        "{\"customerName\": \"\\ud800\"}",
        "{\"customerName\": \"\n\"}",
        "{'a': 1}",
        "01",
    ] {
        assert!(matches!(read::<Order>(malformed.as_bytes()), Err(Unreadable::Malformed(_))), "{malformed}");
    }
    assert!(matches!(read::<Order>(b"{\"customerName\": \"\xff\"}"), Err(Unreadable::Malformed(_))));
    let body = "{\n  \"items\": [],\n  \"customerName\": \"Ada \\ud800\"\n}";
    let Err(Unreadable::Malformed(error)) = read::<Order>(body.as_bytes()) else { panic!("{body:?} was read") };
    assert_eq!(error, "unexpected end of hex escape at line 3 column 30", "the place in the body, not in the text");
}

#[test]
fn a_body_with_more_faults_than_anybody_reads_ends_soon() {
    let items = vec![r#"{"productId": "x", "color": 1}"#; 20_000].join(",");
    let prices = vec![r#"{"price": "x"}"#; 20_000].join(",");
    assert_eq!(faults(&format!(r#"{{"items": [{items}]}}"#)).len(), super::MOST_FAULTS);
    assert!(faults(&format!(r#"{{"items": [{prices}]}}"#)).len() <= super::MOST_FAULTS);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(faults(&deep), ["body must be an object"]);
    assert_eq!(faults(&format!(r#"{{"customerName": "Ada", "items": {deep}}}"#)), ["items[0] must be an object"]);
}

fn in_one_pass(json: &str) -> Option<Order> {
    faultless(serde_json::Deserializer::from_slice(json.as_bytes()))
}

#[test]
fn what_is_ordinary_is_read_in_one_pass() {
    let ordinary = r#" {"customerName": "Ad\u00e9", "reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "price": 1.50e1,
        "gift": true, "items": [{"quantity": 2, "productId": 1}]} "#;
    let order = in_one_pass(ordinary).unwrap();
    assert_eq!((order.customer_name.as_deref(), order.items.unwrap()[0].product_id), (Some("Adé"), Some(1)));
    for odd in [r#"{"items": [[1, 2]]}"#, r#"{"color": 1}"#, r#"{"gift": true, "gift": true}"#, "[]", "{} {}", "{}x"] {
        assert!(in_one_pass(odd).is_none(), "{odd}");
    }
}

const RIGHT: &[&str] = &["\"Ada Lovelace\"", "\"01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70\"", "19.99", "false", "7"];

const ODD: &[&str] =
    &["null", "true", "[]", "{}", "\"\"", "-0", "1.0", "1e2", "1.5", "9223372036854775808", "\"\\ud800\"", "[1, 2]"];

/// Values, right and wrong ones, of every field.
fn value() -> impl Strategy<Value = String> {
    let number = prop_oneof![select(RIGHT), select(ODD)];
    let line = (select(&["productId", "quantity", "x", "product\\u0049d"][..]), number);
    let lines = proptest::collection::vec(line, 0..4).prop_map(|fields| {
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("[{{{}}}]", fields.join(", "))
    });
    let text = |values: &'static [&'static str]| select(values).prop_map(str::to_owned);
    prop_oneof![2 => text(RIGHT), 1 => text(ODD), 2 => lines]
}

proptest! {
    #[test]
    fn one_pass_gives_what_the_slower_reading_gives(
        fields in proptest::collection::vec(
            (select(&["customerName", "reference", "price", "gift", "items", "color"][..]), value()), 0..5),
        end in prop_oneof![9 => Just(""), 1 => Just(" x")],
        blank in any::<bool>(),
    ) {
        let blank = if blank { " \n" } else { "" };
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| format!("{blank}\"{name}\":{blank}{value}")).collect();
        let json = format!("{{{}{blank}}}{end}", fields.join(","));
        if let Some(order) = in_one_pass(&json) {
            let slower = read_faults::<Order>(serde_json::from_str(&json).unwrap(), Unknown::Refused);
            prop_assert_eq!(format!("{:?}", Ok::<_, Unreadable>(order)), format!("{slower:?}"), "{}", json);
        }
    }
}
