//! What a client showed its customer, if it says so: an order is not placed at other prices.

use super::total;
use serde::{Deserialize, Serialize};
use shared_types::reservations::{Reservation, ShortStock};
use shared_types::{Money, ProductId};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// The amounts that an order may be placed at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PriceGuard {
    /// Of all lines together.
    pub total: Option<Money>,
    /// Of one piece, by product.
    pub unit_prices: BTreeMap<ProductId, Money>,
}

/// What a problem of the kind `total-changed` says beside the members that every problem has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedTotal {
    /// What the order costs now.
    pub total_amount: Money,
    /// What each product costs now.
    pub items: Vec<CurrentPrice>,
}

/// What a product costs now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrentPrice {
    /// The product.
    pub product_id: ProductId,
    /// Price of one piece.
    pub unit_price: Money,
}

/// What a refusal to sell says beside the members that every problem has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Unsellable {
    /// Of a problem of the kind `insufficient-stock`.
    ShortStock(ShortStock),
    /// Of a problem of the kind `total-changed`.
    ChangedTotal(ChangedTotal),
}

/// The same for the same prices, another one for others: `59.98 2=29.99`.
impl fmt::Display for PriceGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.total.iter().try_for_each(|total| total.fmt(f))?;
        self.unit_prices.iter().try_for_each(|(product, price)| write!(f, " {product}={price}"))
    }
}

impl PriceGuard {
    /// A guard, where there is anything to guard.
    pub fn new(total: Option<Money>, unit_prices: BTreeMap<ProductId, Money>) -> Option<Self> {
        (total.is_some() || !unit_prices.is_empty()).then_some(Self { total, unit_prices })
    }

    /// The prices of the reserved stock where they are not those of the guard.
    pub fn check(&self, reservation: &Reservation) -> Result<(), ChangedTotal> {
        let total_amount = total(reservation);
        let same_total = self.total.is_none_or(|expected| expected == total_amount);
        let same_prices = reservation
            .items
            .iter()
            .all(|line| self.unit_prices.get(&line.product_id).is_none_or(|expected| *expected == line.unit_price));
        if same_total && same_prices {
            return Ok(());
        }
        let items = reservation.items.iter();
        let items = items.map(|line| CurrentPrice { product_id: line.product_id, unit_price: line.unit_price });
        Err(ChangedTotal { total_amount, items: items.collect() })
    }
}
