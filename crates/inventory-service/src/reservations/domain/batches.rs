//! The body with many requests to hold stock: each is read on its own.

use super::requests::{ReservationBody, Wanted};
use serde::Deserialize;
use serde_json::value::RawValue;
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
    /// The requests, each read on its own, so that a bad one harms no other.
    #[schema(value_type = Vec<ReservationBody>, required, min_items = 1, max_items = 256)]
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
        let json = &mut serde_json::Deserializer::from_str(json.get());
        let body: Self = serde_path_to_error::deserialize(json).map_err(|error| {
            let field = error.path().to_string();
            FieldErrors::one(field, error.into_inner())
        })?;
        body.parse()
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
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["items[0].productId"]);
    }

    #[test]
    fn a_batch_has_1_to_256_reservations() {
        for (count, fits) in [(0, false), (1, true), (256, true), (257, false)] {
            assert_eq!(BatchBody { reservations: Some(vec![raw(&json!({})); count]) }.parse().is_ok(), fits, "{count}");
        }
    }
}
