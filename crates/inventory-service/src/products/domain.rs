//! What a product is, and what may be put in.

pub mod changes;

use crate::stock::{self, MAX_STOCK, Shortage, StockOnHand};
use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::folding::fold;
use service_kit::validation::FieldErrors;
use shared_types::events::StockLevel;
use shared_types::{Money, ProductId};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// The threshold of a product for which none is given.
const DEFAULT_THRESHOLD: i32 = 10;

/// A product that is not deleted.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// Its number.
    pub id: ProductId,
    /// Its stock keeping unit, unique among the living.
    #[schema(example = "LAPTOP-001")]
    pub sku: String,
    /// Its name.
    #[schema(example = "Laptop Pro 15")]
    pub name: String,
    /// More about it.
    #[schema(example = "15 inch laptop with 32 GB of memory")]
    pub description: Option<String>,
    /// Price of one piece.
    pub price: Money,
    /// Pieces that can still be promised (available): on hand less what is reserved.
    #[schema(example = 50)]
    pub stock_quantity: i32,
    /// Pieces that lie on the shelf for orders that were not shipped yet.
    #[schema(example = 3)]
    pub reserved: i64,
    /// At this stock, or below, it counts as low.
    #[schema(example = 5)]
    pub low_stock_threshold: i32,
    /// Whether it can be ordered.
    #[schema(example = true)]
    pub active: bool,
    /// When it was created.
    #[serde(with = "shared_types::times")]
    pub created_at: OffsetDateTime,
    /// When it, or its stock, last changed.
    #[serde(with = "shared_types::times")]
    pub updated_at: OffsetDateTime,
    /// Counts its changes; the ETag.
    #[serde(skip)]
    pub version: i64,
}

impl Product {
    /// Whether its stock has reached the threshold.
    pub fn is_low(&self) -> bool {
        stock::is_low(self.stock_quantity, self.low_stock_threshold)
    }

    /// What to announce when its stock has crossed the threshold.
    pub fn stock_level(&self) -> StockLevel {
        StockLevel {
            product_id: self.id,
            sku: self.sku.clone(),
            stock_quantity: self.stock_quantity,
            low_stock_threshold: self.low_stock_threshold,
        }
    }

    /// What can be promised, what waits to be shipped, and what lies on the shelf.
    pub fn on_hand(&self) -> StockOnHand {
        StockOnHand::of(self.stock_quantity, self.reserved)
    }

    /// What is lacking, if `quantity` pieces cannot go out.
    pub fn shortage(&self, quantity: i32) -> Option<Shortage> {
        Shortage::of(self.id, &self.sku, self.stock_quantity, quantity)
    }
}

/// The body that creates a product.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "sku": "CABLE-003", "name": "USB-C Cable 3 m", "description": "Braided, 100 W",
    "price": 24.90, "stockQuantity": 120, "lowStockThreshold": 20, "active": true
}))]
pub struct ProductBody {
    /// Stock keeping unit, unique among the living.
    #[schema(value_type = String, required, min_length = 1, max_length = 64)]
    pub sku: Option<String>,
    /// Name.
    #[schema(value_type = String, required, min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// More about it.
    #[schema(max_length = 2000, format = "lines")]
    pub description: Option<String>,
    /// Price of one piece, above 0, with at most two decimals.
    #[schema(value_type = f64, format = "decimal", required, minimum = 0.01, maximum = 9_999_999_999.99, multiple_of = 0.01)]
    pub price: Option<Money>,
    /// Pieces that can be promised.
    #[schema(value_type = i32, required, minimum = 0, maximum = 1_000_000_000)]
    pub stock_quantity: Option<i64>,
    /// At this stock, or below, it counts as low; 10 where it is left out.
    #[schema(minimum = 0, maximum = 1_000_000_000, default = 10)]
    pub low_stock_threshold: Option<i64>,
    /// Whether it can be ordered; true where it is left out.
    #[schema(default = true)]
    pub active: Option<bool>,
}

/// A product that may be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProductInput {
    pub sku: String,
    pub name: String,
    pub description: Option<String>,
    /// Price of one piece, above 0.
    pub price: Money,
    /// Pieces, 0 to [`MAX_STOCK`].
    pub stock_quantity: i32,
    /// Threshold, 0 to [`MAX_STOCK`].
    pub low_stock_threshold: i32,
    /// Whether it can be ordered.
    pub active: bool,
}

impl ProductBody {
    /// The product, or every field at fault.
    pub fn parse(self) -> Result<ProductInput, FieldErrors> {
        let mut errors = FieldErrors::default();
        let price = required_price(&mut errors, self.price);
        let input = ProductInput {
            sku: errors.required_text("sku", self.sku, 64),
            name: errors.required_text("name", self.name, 200),
            description: errors.optional_lines("description", self.description, 2000),
            price,
            stock_quantity: errors.required_number("stockQuantity", self.stock_quantity, 0..=MAX_STOCK),
            low_stock_threshold: match self.low_stock_threshold {
                Some(threshold) => errors.number("lowStockThreshold", threshold, 0..=MAX_STOCK),
                None => DEFAULT_THRESHOLD,
            },
            active: self.active.unwrap_or(true),
        };
        errors.into_result(input)
    }
}

impl Body for ProductBody {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

fn required_price(errors: &mut FieldErrors, value: Option<Money>) -> Money {
    match value {
        Some(price) if price.is_positive() && price.fits_price() => return price,
        Some(price) if price.is_positive() => errors.add("price", "must be below 10000000000"),
        Some(_) => errors.add("price", "must be greater than 0"),
        None => errors.add("price", "is required"),
    }
    Money::default()
}

/// What narrows a list of products down.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProductFilter {
    /// Only those that can, or cannot, be ordered.
    pub active: Option<bool>,
    /// Only this stock keeping unit, folded.
    pub sku_key: Option<String>,
    /// Only where this stands in name or stock keeping unit, folded.
    pub part: Option<String>,
    /// Only those whose stock has reached the threshold.
    pub low: bool,
}

impl ProductFilter {
    /// The filter for what a client looks for, in whatever case and normal form.
    pub fn folded(active: Option<bool>, sku: Option<String>, part: Option<String>) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut folded = |field: &str, text: String| {
            let folded = fold(&text);
            if folded.is_empty() {
                errors.add(field, "must not be blank");
            }
            folded
        };
        let sku_key = sku.map(|sku| folded("sku", sku));
        let part = part.map(|part| folded("q", part));
        errors.into_result(Self { active, sku_key, part, low: false })
    }

    /// `part` as a pattern for LIKE in which nothing the client wrote is a wildcard.
    pub fn pattern(&self) -> Option<String> {
        let part = self.part.as_deref()?;
        let mut pattern = String::from("%");
        for c in part.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('%');
        Some(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::{ProductBody, ProductFilter};

    fn body(json: &str) -> ProductBody {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_field_at_fault_is_named() {
        let errors = body("{}").parse().unwrap_err();
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["name", "price", "sku", "stockQuantity"]);
        let errors = body(
            r#"{"sku": " ", "name": "", "description": "nul\u0000", "price": 0, "stockQuantity": -1,
                "lowStockThreshold": 1000000001, "active": null}"#,
        )
        .parse()
        .unwrap_err();
        let found: Vec<_> = errors.0.iter().map(|(field, message)| format!("{field} {message}")).collect();
        assert_eq!(
            found,
            [
                "description must not contain a control character (U+0000)",
                "lowStockThreshold must be at most 1000000000",
                "name must not be blank",
                "price must be greater than 0",
                "sku must not be blank",
                "stockQuantity must be at least 0",
            ]
        );
    }

    #[test]
    fn what_may_be_left_out_has_a_default() {
        let input = body(r#"{"sku": " A-1 ", "name": "A", "price": 1.5, "stockQuantity": 0}"#).parse().unwrap();
        assert_eq!((input.sku.as_str(), input.low_stock_threshold, input.active), ("A-1", 10, true));
        assert_eq!((input.description, input.price.to_string()), (None, "1.50".to_owned()));
    }

    #[test]
    fn a_sku_is_one_line_of_what_can_be_seen() {
        let of = |sku: &str| {
            let body =
                ProductBody { sku: Some(sku.to_owned()), ..body(r#"{"name": "A", "price": 1, "stockQuantity": 0}"#) };
            body.parse().map(|input| input.sku).map_err(|errors| errors.to_string())
        };
        for hidden in ["A\u{200B}1", "A1\u{FEFF}", "A\u{3164}", "A\u{FE0F}1", "A\u{AD}1"] {
            let refused = of(hidden).unwrap_err();
            assert!(refused.starts_with("sku must not contain an invisible character (U+"), "{hidden:?}: {refused}");
        }
        let turned = "sku must not contain a character that changes the direction of text (U+202E)";
        assert_eq!(of("\u{202E}A1").unwrap_err(), turned);
        assert_eq!(of("A\n1").unwrap_err(), "sku must not contain a line end (U+000A)");
        assert_eq!(of("Größe 38").unwrap(), "Größe 38");
    }

    #[test]
    fn what_is_looked_for_is_folded() {
        let filter = ProductFilter::folded(None, Some("STRASSE".into()), Some("ÄHREN".into())).unwrap();
        assert_eq!((filter.sku_key.as_deref(), filter.part.as_deref()), (Some("strasse"), Some("ähren")));
        assert!(ProductFilter::folded(None, None, Some("\u{200B}".into())).is_err());
    }

    #[test]
    fn wildcards_of_the_client_are_none() {
        let filter = ProductFilter { part: Some(r"50%_\".to_owned()), ..Default::default() };
        assert_eq!(filter.pattern().as_deref(), Some(r"%50\%\_\\%"));
    }
}
