//! How much stock a product has: the most there can be, what is lacking, and when it is low.

use shared_types::ProductId;
use shared_types::reservations::ShortLine;

/// Most pieces of one product.
pub const MAX_STOCK: i32 = 1_000_000_000;

/// Whether a stock has reached its threshold.
pub fn is_low(stock_quantity: i32, low_stock_threshold: i32) -> bool {
    stock_quantity <= low_stock_threshold
}

/// The stock after `quantity` pieces came in, if that many can be kept.
pub fn stock_plus(stock_quantity: i32, quantity: i32) -> Option<i32> {
    stock_quantity.checked_add(quantity).filter(|stock| *stock <= MAX_STOCK)
}

/// A product of which there is less than was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shortage {
    /// Its stock keeping unit.
    pub sku: String,
    /// Asked for and available.
    pub line: ShortLine,
}

impl Shortage {
    /// What is lacking, if more pieces are asked for than are available.
    pub fn of(product_id: ProductId, sku: &str, available: i32, requested: i32) -> Option<Self> {
        let line = ShortLine { product_id, requested, available };
        (requested > available).then(|| Self { sku: sku.to_owned(), line })
    }
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} requested, {} available", self.sku, self.line.requested, self.line.available)
    }
}
