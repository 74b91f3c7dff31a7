//! What may change of a product: all that is sent (PUT), or a patch (RFC 7396). What is left out stays.

use super::{Product, ProductInput, required_price};
use crate::stock::MAX_STOCK;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use service_kit::body::Body;
use service_kit::extract::present;
use service_kit::validation::FieldErrors;
use shared_types::{Money, ProductId};
use utoipa::ToSchema;

/// The body that replaces a product: what it leaves out stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplaceProduct {
    /// Stock keeping unit, unique among the living, whatever its case.
    #[schema(value_type = String, required, min_length = 1, max_length = 64)]
    pub sku: Option<String>,
    /// Name.
    #[schema(value_type = String, required, min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// More about it; null removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 2000, format = "lines")]
    pub description: Option<Option<String>>,
    /// Price of one piece, above 0, with at most two decimals.
    #[schema(value_type = f64, format = "decimal", required, minimum = 0.01, maximum = 9_999_999_999.99, multiple_of = 0.01)]
    pub price: Option<Money>,
    /// Pieces that can be promised from now on, whatever was sold meanwhile: an adjustment. Best left out: `add-stock`,
    /// `reduce-stock` and `count` undo no sale.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub stock_quantity: Option<i64>,
    /// At this stock, or below, it counts as low.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub low_stock_threshold: Option<i64>,
    /// Whether it can be ordered.
    pub active: Option<bool>,
    /// As the product was read, so that it can be sent back changed.
    #[schema(read_only)]
    pub id: Option<i64>,
    /// Passed over, as is what follows.
    #[schema(value_type = Option<i64>, read_only)]
    #[expect(dead_code, reason = "passed over")]
    pub reserved: Option<IgnoredAny>,
    #[schema(value_type = Option<String>, read_only)]
    #[expect(dead_code, reason = "passed over")]
    pub created_at: Option<IgnoredAny>,
    #[schema(value_type = Option<String>, read_only)]
    #[expect(dead_code, reason = "passed over")]
    pub updated_at: Option<IgnoredAny>,
}

/// What of a product is to change (JSON Merge Patch, RFC 7396): what is left out stays. Its stock never changes by this.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "Laptop Pro 15 (2026)", "price": 2399.99}))]
pub struct PatchProduct {
    /// Stock keeping unit, unique among the living, whatever its case.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    pub sku: Option<Option<String>>,
    /// Name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    pub name: Option<Option<String>>,
    /// More about it; null removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 2000, format = "lines")]
    pub description: Option<Option<String>>,
    /// Price of one piece, above 0, with at most two decimals.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = f64, format = "decimal", minimum = 0.01, maximum = 9_999_999_999.99, multiple_of = 0.01)]
    pub price: Option<Option<Money>>,
    /// At this stock, or below, it counts as low.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i32, minimum = 0, maximum = 1_000_000_000)]
    pub low_stock_threshold: Option<Option<i64>>,
    /// Whether it can be ordered.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool)]
    pub active: Option<Option<bool>>,
    /// Refused, so that nobody takes it for done.
    #[serde(default, deserialize_with = "named")]
    #[schema(ignore)]
    pub stock_quantity: bool,
    /// Refused likewise.
    #[serde(default, deserialize_with = "named")]
    #[schema(ignore)]
    pub reserved: bool,
}

/// What is to change of a product, checked; what is `None` stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProductChange {
    pub sku: Option<String>,
    pub name: Option<String>,
    /// `Some(None)` removes it.
    pub description: Option<Option<String>>,
    pub price: Option<Money>,
    pub stock_quantity: Option<i32>,
    pub low_stock_threshold: Option<i32>,
    pub active: Option<bool>,
}

impl ProductChange {
    /// The product as it is to be written.
    pub fn of(self, before: &Product) -> ProductInput {
        ProductInput {
            sku: self.sku.unwrap_or_else(|| before.sku.clone()),
            name: self.name.unwrap_or_else(|| before.name.clone()),
            description: self.description.unwrap_or_else(|| before.description.clone()),
            price: self.price.unwrap_or(before.price),
            stock_quantity: self.stock_quantity.unwrap_or(before.stock_quantity),
            low_stock_threshold: self.low_stock_threshold.unwrap_or(before.low_stock_threshold),
            active: self.active.unwrap_or(before.active),
        }
    }
}

impl ReplaceProduct {
    /// The change of this product, or every field at fault.
    pub fn parse_for(self, id: ProductId) -> Result<ProductChange, FieldErrors> {
        let other = self.id.is_some_and(|sent| sent != id.0);
        let parsed = self.parse();
        if other { Err(FieldErrors::one("id", "must be that of the path")) } else { parsed }
    }

    fn parse(self) -> Result<ProductChange, FieldErrors> {
        let mut errors = FieldErrors::default();
        let change = ProductChange {
            sku: Some(errors.required_text("sku", self.sku, 64)),
            name: Some(errors.required_text("name", self.name, 200)),
            description: self.description.map(|text| errors.optional_lines("description", text, 2000)),
            price: Some(required_price(&mut errors, self.price)),
            stock_quantity: self.stock_quantity.map(|stock| errors.number("stockQuantity", stock, 0..=MAX_STOCK)),
            low_stock_threshold: self
                .low_stock_threshold
                .map(|it| errors.number("lowStockThreshold", it, 0..=MAX_STOCK)),
            active: self.active,
        };
        errors.into_result(change)
    }
}

impl PatchProduct {
    /// The change, or every field at fault.
    pub fn parse(self) -> Result<ProductChange, FieldErrors> {
        let mut errors = FieldErrors::default();
        for (field, sent) in [("stockQuantity", self.stock_quantity), ("reserved", self.reserved)] {
            if sent {
                errors.add(field, "cannot be patched: stock moves by add-stock, reduce-stock and count");
            }
        }
        let sku = stays_there(&mut errors, "sku", self.sku).map(|it| errors.required_text("sku", Some(it), 64));
        let name = stays_there(&mut errors, "name", self.name).map(|it| errors.required_text("name", Some(it), 200));
        let price = stays_there(&mut errors, "price", self.price).map(|it| required_price(&mut errors, Some(it)));
        let threshold = stays_there(&mut errors, "lowStockThreshold", self.low_stock_threshold);
        let change = ProductChange {
            sku,
            name,
            description: self.description.map(|text| errors.optional_lines("description", text, 2000)),
            price,
            stock_quantity: None,
            low_stock_threshold: threshold.map(|it| errors.number("lowStockThreshold", it, 0..=MAX_STOCK)),
            active: stays_there(&mut errors, "active", self.active),
        };
        errors.into_result(change)
    }
}

impl Body for ReplaceProduct {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

impl Body for PatchProduct {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

/// The new value of a field that a product always has.
fn stays_there<T>(errors: &mut FieldErrors, field: &str, patched: Option<Option<T>>) -> Option<T> {
    if let Some(None) = patched {
        errors.add(field, "must not be null");
    }
    patched.flatten()
}

/// Notes that a field was sent, whatever its value.
fn named<'de, D: Deserializer<'de>>(field: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(field).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::{PatchProduct, ProductChange, ReplaceProduct};

    fn replace(json: &str) -> Result<ProductChange, String> {
        serde_json::from_str::<ReplaceProduct>(json).unwrap().parse().map_err(|errors| errors.to_string())
    }

    fn patch(json: &str) -> Result<ProductChange, String> {
        serde_json::from_str::<PatchProduct>(json).unwrap().parse().map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_put_changes_what_it_names() {
        let change = replace(r#"{"sku": "A-1", "name": "A", "price": 2}"#).unwrap();
        assert_eq!((change.stock_quantity, change.low_stock_threshold, change.active), (None, None, None));
        assert_eq!(change.description, None);
        let change = replace(r#"{"sku": "A-1", "name": "A", "price": 2, "description": null, "stockQuantity": 0}"#);
        assert_eq!(change.map(|it| (it.description, it.stock_quantity)), Ok((Some(None), Some(0))));
        let missing = replace(r#"{"stockQuantity": -1, "lowStockThreshold": -1}"#).unwrap_err();
        assert_eq!(
            missing,
            "lowStockThreshold must be at least 0; name is required; price is required; sku is required; \
             stockQuantity must be at least 0"
        );
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        assert_eq!(patch("{}").unwrap(), ProductChange::default());
        let change = patch(r#"{"name": " New ", "description": null, "active": false}"#).unwrap();
        let wanted = ProductChange {
            name: Some("New".to_owned()),
            description: Some(None),
            active: Some(false),
            ..Default::default()
        };
        assert_eq!(change, wanted);
    }

    #[test]
    fn a_patch_moves_no_stock_and_removes_nothing_that_must_be_there() {
        let refused =
            patch(r#"{"stockQuantity": 5, "reserved": null, "name": null, "sku": " ", "price": 0, "active": null}"#);
        assert_eq!(
            refused.unwrap_err(),
            "active must not be null; name must not be null; price must be greater than 0; \
             reserved cannot be patched: stock moves by add-stock, reduce-stock and count; sku must not be blank; \
             stockQuantity cannot be patched: stock moves by add-stock, reduce-stock and count"
        );
    }
}
