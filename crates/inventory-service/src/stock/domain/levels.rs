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

/// Whether so many pieces can be on hand: what is reserved must fit when it comes back.
pub fn fits_on_hand(stock_quantity: i32, reserved: i64) -> bool {
    i64::from(stock_quantity).saturating_add(reserved) <= i64::from(MAX_STOCK)
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

#[cfg(test)]
mod tests {
    use super::{MAX_STOCK, Shortage, is_low, stock_plus};
    use shared_types::ProductId;

    #[test]
    fn stock_has_an_upper_limit() {
        assert_eq!(stock_plus(MAX_STOCK - 1, 1), Some(MAX_STOCK));
        assert_eq!(stock_plus(MAX_STOCK, 1), None);
        assert_eq!(stock_plus(i32::MAX, 1), None);
    }

    #[test]
    fn the_last_piece_can_go_out_and_one_more_cannot() {
        assert_eq!(Shortage::of(ProductId(1), "A-1", 3, 3), None);
        let shortage = Shortage::of(ProductId(1), "A-1", 3, 4).unwrap();
        assert_eq!(shortage.to_string(), "A-1: 4 requested, 3 available");
    }

    #[test]
    fn stock_is_low_at_its_threshold() {
        assert_eq!([4, 5, 6].map(|stock| is_low(stock, 5)), [true, true, false]);
    }
}
