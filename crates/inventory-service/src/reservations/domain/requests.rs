//! The request to hold stock, parsed: every product once, in the order in which products are locked.

use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::validation::FieldErrors;
use shared_types::reservations::{MAX_LINES, ReservationLine};
use shared_types::{ProductId, Reference};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Arguments;
use utoipa::ToSchema;

/// A line of a request as it comes in.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"productId": 1, "quantity": 2}))]
pub struct LineBody {
    /// The product.
    #[schema(value_type = i64, required, minimum = 1)]
    pub product_id: Option<i64>,
    /// Pieces.
    #[schema(value_type = i32, required, minimum = 1, maximum = 2_147_483_647)]
    pub quantity: Option<i64>,
}

/// The body that asks for a reservation: all lines or none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70",
    "items": [{"productId": 1, "quantity": 1}, {"productId": 2, "quantity": 2}]
}))]
pub struct ReservationBody {
    /// The reference of the order; asking twice with the same one holds the stock once.
    #[schema(value_type = Uuid, required)]
    pub id: Option<Reference>,
    /// 1 to 100 lines; lines of the same product are added up.
    #[schema(value_type = Vec<LineBody>, required, min_items = 1, max_items = 100)]
    pub items: Option<Vec<LineBody>>,
}

/// A request to hold stock whose lines are merged and sorted by product.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    id: Reference,
    lines: Vec<ReservationLine>,
    direct: bool,
    traceparent: Option<String>,
}

impl Wanted {
    /// The reference of the order.
    pub fn id(&self) -> Reference {
        self.id
    }

    /// The lines, by product id, each product once.
    pub fn lines(&self) -> &[ReservationLine] {
        &self.lines
    }

    /// Whether it is sold at once: no order waits to be shipped.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// W3C trace context of the request, for the events it causes.
    pub fn traceparent(&self) -> Option<String> {
        self.traceparent.clone()
    }

    /// Names the request that it came with.
    #[must_use]
    pub fn caused_by(self, traceparent: Option<String>) -> Self {
        Self { traceparent, ..self }
    }
}

impl ReservationBody {
    /// The request, or every field at fault.
    pub fn parse(self) -> Result<Wanted, FieldErrors> {
        let mut errors = FieldErrors::default();
        match self.id {
            None => errors.add("id", "is required"),
            // RFC 9562, 5.9: it stands for no value.
            Some(id) if id.0.is_nil() => errors.add("id", "must not be the nil UUID"),
            Some(_) => {}
        }
        let mut merged = BTreeMap::new();
        match self.items {
            None => errors.add("items", "is required"),
            Some(items) if items.is_empty() => errors.add("items", "must have at least 1 line"),
            Some(items) if items.len() > MAX_LINES => {
                errors.add("items", format!("must have at most {MAX_LINES} lines"))
            }
            Some(items) => {
                for (index, line) in items.into_iter().enumerate() {
                    merge(&mut errors, &mut merged, format_args!("items[{index}]."), line);
                }
            }
        }
        errors.into_result(Wanted {
            id: self.id.unwrap_or_else(Reference::random),
            lines: merged.into_iter().map(|(product_id, quantity)| ReservationLine { product_id, quantity }).collect(),
            direct: false,
            traceparent: None,
        })
    }
}

impl LineBody {
    /// A sale of this single line, without an order, or every field at fault.
    pub fn parse_for(self, id: Reference) -> Result<Wanted, FieldErrors> {
        let (mut errors, mut merged) = (FieldErrors::default(), BTreeMap::new());
        merge(&mut errors, &mut merged, format_args!(""), self);
        let lines = merged.into_iter().map(|(product_id, quantity)| ReservationLine { product_id, quantity });
        errors.into_result(Wanted { id, lines: lines.collect(), direct: true, traceparent: None })
    }
}

impl Body for ReservationBody {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

impl Body for LineBody {
    fn faults(&self) -> FieldErrors {
        self.clone().parse_for(Reference::random()).err().unwrap_or_default()
    }
}

fn merge(errors: &mut FieldErrors, merged: &mut BTreeMap<ProductId, i32>, path: Arguments<'_>, line: LineBody) {
    let quantity = errors.required_number(format_args!("{path}quantity"), line.quantity, 1..=i32::MAX);
    match line.product_id {
        None => errors.add(format!("{path}productId"), "is required"),
        Some(id) if id < 1 => errors.add(format!("{path}productId"), "must be at least 1"),
        Some(id) => match merged.entry(ProductId(id)) {
            Entry::Vacant(first) => {
                first.insert(quantity);
            }
            Entry::Occupied(mut earlier) => match earlier.get().checked_add(quantity) {
                Some(total) => {
                    earlier.insert(total);
                }
                None => errors.add(format!("{path}quantity"), format!("must add up to at most {}", i32::MAX)),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::ReservationBody;

    fn parse(json: &str) -> Result<Vec<(i64, i32)>, Vec<String>> {
        let body: ReservationBody = serde_json::from_str(json).unwrap();
        body.parse()
            .map(|wanted| wanted.lines().iter().map(|line| (line.product_id.0, line.quantity)).collect())
            .map_err(|errors| errors.0.into_iter().map(|(field, message)| format!("{field} {message}")).collect())
    }

    #[test]
    fn lines_are_merged_and_sorted() {
        let lines = parse(
            r#"{"id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "items": [{"productId": 9, "quantity": 1},
                {"productId": 2, "quantity": 5}, {"productId": 9, "quantity": 3}]}"#,
        );
        assert_eq!(lines.unwrap(), [(2, 5), (9, 4)]);
    }

    #[test]
    fn every_field_at_fault_is_named() {
        assert_eq!(parse("{}").unwrap_err(), ["id is required", "items is required"]);
        assert_eq!(parse(r#"{"items": []}"#).unwrap_err(), ["id is required", "items must have at least 1 line"]);
        let errors = parse(
            r#"{"id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "items": [{}, {"productId": 0, "quantity": 0},
                {"productId": 1, "quantity": 2147483647}, {"productId": 1, "quantity": 1}]}"#,
        );
        assert_eq!(
            errors.unwrap_err(),
            [
                "items[0].productId is required",
                "items[0].quantity is required",
                "items[1].productId must be at least 1",
                "items[1].quantity must be at least 1",
                "items[3].quantity must add up to at most 2147483647",
            ]
        );
    }

    #[test]
    fn the_nil_uuid_is_no_reference() {
        let errors =
            parse(r#"{"id": "00000000-0000-0000-0000-000000000000", "items": [{"productId": 1, "quantity": 1}]}"#);
        assert_eq!(errors.unwrap_err(), ["id must not be the nil UUID"]);
    }

    #[test]
    fn a_reservation_has_at_most_a_hundred_lines() {
        let lines = vec![r#"{"productId": 1, "quantity": 1}"#; 101].join(",");
        let errors = parse(&format!(r#"{{"id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "items": [{lines}]}}"#));
        assert_eq!(errors.unwrap_err(), ["items must have at most 100 lines"]);
    }
}
