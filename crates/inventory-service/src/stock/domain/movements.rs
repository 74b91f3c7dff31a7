//! What moves stock and why: every change of a product's stock is one movement.

use super::levels::MAX_STOCK;
use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::validation::FieldErrors;
use shared_types::{ProductId, Reference};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Why stock moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum MovementReason {
    /// Goods came in.
    Receipt,
    /// A reservation took them.
    Sale,
    /// A reservation gave them back.
    Release,
    /// Somebody counted, or corrected.
    Adjustment,
}

impl MovementReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Receipt, Self::Sale, Self::Release, Self::Adjustment];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "RECEIPT",
            Self::Sale => "SALE",
            Self::Release => "RELEASE",
            Self::Adjustment => "ADJUSTMENT",
        }
    }

    fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str().eq_ignore_ascii_case(text))
    }
}

/// A movement as it is kept.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Movement {
    /// Number of the movement, ascending.
    #[schema(example = 1)]
    pub id: i64,
    /// The product.
    pub product_id: ProductId,
    /// Pieces: positive in, negative out.
    #[schema(example = 50)]
    pub delta: i32,
    /// Why.
    #[schema(value_type = MovementReason, example = "RECEIPT")]
    pub reason: String,
    /// What it belongs to: a delivery note, an order's reference, a remark.
    #[schema(example = "sample data")]
    pub reference: Option<String>,
    /// Stock after it.
    #[schema(example = 50)]
    pub balance_after: i32,
    /// By whom: `api`; none where a reservation took the stock or gave it back.
    #[schema(example = "api")]
    pub actor: Option<String>,
    /// When.
    #[serde(with = "shared_types::times")]
    pub created_at: OffsetDateTime,
}

/// A movement that is about to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMovement {
    pub product_id: ProductId,
    /// Pieces: positive in, negative out, never zero.
    pub delta: i32,
    pub reason: MovementReason,
    /// What it belongs to.
    pub reference: Option<String>,
    pub balance_after: i32,
    /// Pieces that become reserved with it; negative where they no longer are.
    pub reserved: i32,
    /// By whom, where no reservation is behind it.
    pub actor: Option<&'static str>,
}

/// Who moves stock through the HTTP interface.
pub const API: &str = "api";

impl NewMovement {
    /// A line of a reservation taking stock (`SALE`, negative) or giving it back (`RELEASE`, positive). `counted` tells
    /// whether the pieces are reserved in between.
    pub fn of_reservation(
        reservation: Reference,
        product_id: ProductId,
        delta: i32,
        balance_after: i32,
        counted: bool,
    ) -> Self {
        let reason = if delta < 0 { MovementReason::Sale } else { MovementReason::Release };
        let reserved = if counted { -delta } else { 0 };
        let reference = Some(reservation.to_string());
        Self { product_id, delta, reason, reference, balance_after, reserved, actor: None }
    }
}

/// Movements, column by column, for the statements that write many at once.
#[derive(Debug, Default)]
pub struct MovementColumns<'a> {
    /// The product of each movement.
    pub products: Vec<i64>,
    pub deltas: Vec<i32>,
    pub reasons: Vec<&'a str>,
    /// What each belongs to.
    pub references: Vec<Option<&'a str>>,
    pub balances: Vec<i32>,
    pub actors: Vec<Option<&'a str>>,
    /// The products that moved, each once, in the order of their ids.
    pub moved: Vec<i64>,
    /// The stock of each of these after the last movement.
    pub stock: Vec<i32>,
    /// By how much the pieces reserved of each of these change.
    pub reserved: Vec<i64>,
}

impl<'a> MovementColumns<'a> {
    /// The columns of these movements.
    pub fn of(movements: &'a [NewMovement]) -> Self {
        let mut columns = Self::default();
        for movement in movements {
            columns.products.push(movement.product_id.0);
            columns.deltas.push(movement.delta);
            columns.reasons.push(movement.reason.as_str());
            columns.references.push(movement.reference.as_deref());
            columns.balances.push(movement.balance_after);
            columns.actors.push(movement.actor);
        }
        let mut products: BTreeMap<i64, (i32, i64)> = BTreeMap::new();
        for movement in movements {
            let (stock, reserved) = products.entry(movement.product_id.0).or_default();
            *stock = movement.balance_after;
            *reserved += i64::from(movement.reserved);
        }
        for (product, (stock, reserved)) in products {
            columns.moved.push(product);
            columns.stock.push(stock);
            columns.reserved.push(reserved);
        }
        columns
    }
}

/// The body of add-stock and reduce-stock.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"quantity": 5, "reason": "delivery", "reference": "DN-2026-0042"}))]
pub struct StockChangeBody {
    /// Pieces.
    #[schema(value_type = i32, required, minimum = 1, maximum = 1_000_000_000)]
    pub quantity: Option<i64>,
    /// One of the movement reasons, where it fits the direction (in: RECEIPT, RELEASE, ADJUSTMENT; out: SALE,
    /// ADJUSTMENT), or a remark that is kept with the reference.
    #[schema(max_length = 200, format = "lines")]
    pub reason: Option<String>,
    /// What it belongs to, such as the number of a delivery note.
    #[schema(max_length = 200)]
    pub reference: Option<String>,
}

/// A change of stock by hand, in one direction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StockChange {
    /// Pieces, at least 1.
    pub quantity: i32,
    pub reason: MovementReason,
    /// What it belongs to.
    pub reference: Option<String>,
}

impl StockChangeBody {
    /// Stock that comes in: a receipt, unless it says otherwise.
    pub fn incoming(self) -> Result<StockChange, FieldErrors> {
        use MovementReason::{Adjustment, Receipt, Release};
        self.parse(Receipt, &[Receipt, Release, Adjustment])
    }

    /// Stock that goes out: an adjustment, unless it says otherwise.
    pub fn outgoing(self) -> Result<StockChange, FieldErrors> {
        use MovementReason::{Adjustment, Sale};
        self.parse(Adjustment, &[Sale, Adjustment])
    }

    fn parse(self, usual: MovementReason, fitting: &[MovementReason]) -> Result<StockChange, FieldErrors> {
        let mut errors = FieldErrors::default();
        let quantity = errors.required_number("quantity", self.quantity, 1..=MAX_STOCK);
        let reason = errors.optional_lines("reason", self.reason, 200);
        let reference = errors.optional_text("reference", self.reference, 200);
        let named = reason.as_deref().and_then(MovementReason::named).filter(|named| fitting.contains(named));
        let remark = reason.filter(|_| named.is_none());
        let reference = match (reference, remark) {
            (Some(reference), Some(remark)) => Some(format!("{reference}: {remark}")),
            (reference, remark) => reference.or(remark),
        };
        errors.into_result(StockChange { quantity, reason: named.unwrap_or(usual), reference })
    }
}

impl Body for StockChangeBody {
    fn faults(&self) -> FieldErrors {
        // The direction decides what a reason means, not what is at fault.
        self.clone().incoming().err().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{MovementReason, StockChangeBody};

    fn body(reason: Option<&str>, reference: Option<&str>) -> StockChangeBody {
        StockChangeBody { quantity: Some(3), reason: reason.map(Into::into), reference: reference.map(Into::into) }
    }

    #[test]
    fn a_reason_that_fits_is_taken_and_any_other_text_is_a_remark() {
        let sale = body(Some("sale"), Some("till 4")).outgoing().unwrap();
        assert_eq!((sale.reason, sale.reference.as_deref()), (MovementReason::Sale, Some("till 4")));
        let broken = body(Some("broken glass"), None).outgoing().unwrap();
        assert_eq!((broken.reason, broken.reference.as_deref()), (MovementReason::Adjustment, Some("broken glass")));
        let odd = body(Some("SALE"), Some("DN-1")).incoming().unwrap();
        assert_eq!((odd.reason, odd.reference.as_deref()), (MovementReason::Receipt, Some("DN-1: SALE")));
    }

    #[test]
    fn every_field_at_fault_is_named() {
        let body =
            StockChangeBody { quantity: None, reason: Some("x".repeat(201)), reference: Some("nul\0".to_owned()) };
        let errors = body.incoming().unwrap_err();
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["quantity", "reason", "reference"]);
    }
}
