//! Available, reserved and on hand: what can be promised, what waits to be shipped, and what lies on the shelf.

use super::levels::MAX_STOCK;
use crate::stock::error::Error;
use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::validation::FieldErrors;
use utoipa::ToSchema;

/// How many pieces of a product there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockOnHand {
    /// Pieces that can still be promised; the product's `stockQuantity`.
    #[schema(example = 50)]
    pub available: i32,
    /// Pieces that lie on the shelf for orders that were not shipped yet.
    #[schema(example = 3)]
    pub reserved: i64,
    /// Pieces on the shelf: `available` and `reserved` together.
    #[schema(example = 53)]
    pub on_hand: i64,
}

impl StockOnHand {
    /// Adds up what is available and what is reserved.
    pub fn of(available: i32, reserved: i64) -> Self {
        Self { available, reserved, on_hand: i64::from(available) + reserved }
    }

    /// What is available when so many pieces were counted on the shelf: what is promised stays promised.
    pub fn available_of(counted: i32, reserved: i64) -> Result<i32, Error> {
        let available = i64::from(counted) - reserved;
        if available < 0 {
            return Err(Error::CountedTooFew { counted, reserved });
        }
        i32::try_from(available).ok().filter(|stock| *stock <= MAX_STOCK).ok_or(Error::StockLimit)
    }
}

/// The body of a count.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"counted": 60, "reason": "stocktake"}))]
pub struct CountBody {
    /// Pieces that were counted on the shelf, those that wait to be shipped among them.
    #[schema(value_type = i32, required, minimum = 0, maximum = 1_000_000_000)]
    pub counted: Option<i64>,
    /// Why it was counted; kept as the reference of the movement.
    #[schema(max_length = 200, format = "lines")]
    pub reason: Option<String>,
}

/// What was counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    /// Pieces on the shelf.
    pub counted: i32,
    pub reason: Option<String>,
}

impl CountBody {
    /// The count, or every field at fault.
    pub fn parse(self) -> Result<Count, FieldErrors> {
        let mut errors = FieldErrors::default();
        let counted = errors.required_number("counted", self.counted, 0..=MAX_STOCK);
        let reason = errors.optional_lines("reason", self.reason, 200);
        errors.into_result(Count { counted, reason })
    }
}

impl Body for CountBody {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_STOCK, StockOnHand};

    #[test]
    fn what_is_promised_stays_promised() {
        assert_eq!(StockOnHand::available_of(10, 3).unwrap(), 7);
        assert_eq!(StockOnHand::available_of(3, 3).unwrap(), 0);
        let too_few = StockOnHand::available_of(2, 3).unwrap_err();
        assert_eq!(too_few.to_string(), "2 counted, but 3 are reserved for orders that were not shipped");
        assert!(StockOnHand::available_of(MAX_STOCK + 1, 0).is_err());
        assert_eq!(StockOnHand::of(7, 3).on_hand, 10);
    }
}
