//! The body with many requests to hold stock: each is read on its own.

use super::requests::{ReservationBody, Wanted};
use serde::Deserialize;
use serde_json::value::RawValue;
use service_kit::body::{self, Body, Unknown, Unreadable};
use service_kit::validation::FieldErrors;
use shared_types::reservations::MAX_BATCH;
use utoipa::ToSchema;

/// Many requests to hold stock.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"reservations": [
    {"id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a71", "items": [{"productId": 1, "quantity": 1}]},
    {"id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a72", "items": [{"productId": 2, "quantity": 2}]}
]}))]
pub struct BatchBody {
    /// The requests, each a `ReservationBody` and read on its own: a bad one gets its own 400 and harms no other.
    #[schema(value_type = Vec<Value>, required, min_items = 1, max_items = 256)]
    pub reservations: Option<Vec<Box<RawValue>>>,
}

impl BatchBody {
    /// The requests, not read yet, or what is wrong with their number.
    pub fn parse(self) -> Result<Vec<Box<RawValue>>, FieldErrors> {
        match self.reservations {
            None => Err(FieldErrors::one("reservations", "is required")),
            Some(requests) if requests.is_empty() => {
                Err(FieldErrors::one("reservations", "must have at least 1 reservation"))
            }
            Some(requests) if requests.len() > MAX_BATCH => {
                Err(FieldErrors::one("reservations", format!("must have at most {MAX_BATCH} reservations")))
            }
            Some(requests) => Ok(requests),
        }
    }
}

impl ReservationBody {
    /// Reads and parses one request of a batch, naming every field at fault.
    pub fn read(json: &RawValue) -> Result<Wanted, FieldErrors> {
        let body: Self = body::read_value(json, Unknown::PassedOver).map_err(|unreadable| match unreadable {
            Unreadable::Malformed(error) => FieldErrors::one("body", error),
            Unreadable::Invalid(errors) => errors,
        })?;
        body.parse()
    }
}

/// Order-service calls this, and may be of a newer build.
impl Body for BatchBody {
    const UNKNOWN: Unknown = Unknown::PassedOver;

    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchBody, ReservationBody};
    use serde_json::value::{RawValue, to_raw_value};
    use serde_json::{Value, json};

    fn raw(json: &Value) -> Box<RawValue> {
        to_raw_value(json).unwrap()
    }

    #[test]
    fn a_request_that_cannot_be_read_is_its_own_fault() {
        let request = raw(&json!({"id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "items": [{"productId": "x"}]}));
        let errors = ReservationBody::read(&request).unwrap_err();
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["items[0].productId", "items[0].quantity"]);
        for no_object in [json!([]), json!(null), json!(["01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", [[1, 1]]])] {
            let errors = ReservationBody::read(&raw(&no_object)).unwrap_err();
            assert_eq!(errors.to_string(), "body must be an object", "{no_object}");
        }
    }

    #[test]
    fn a_field_of_a_newer_build_is_passed_over() {
        let request = raw(&json!({
            "id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "later": 1, "items": [{"productId": 1, "quantity": 1, "later": []}]
        }));
        assert!(ReservationBody::read(&request).is_ok());
    }

    #[test]
    fn a_batch_has_1_to_256_reservations() {
        for (count, fits) in [(0, false), (1, true), (256, true), (257, false)] {
            assert_eq!(BatchBody { reservations: Some(vec![raw(&json!({})); count]) }.parse().is_ok(), fits, "{count}");
        }
    }
}
