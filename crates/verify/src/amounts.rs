//! Subtotal = price × quantity and total = sum of the subtotals, exactly.

use rust_decimal::Decimal;

/// A line with its amounts as they were written.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub product_id: i64,
    pub quantity: i64,
    /// Price of one piece.
    pub price: Option<&'a str>,
    /// Price of all of them.
    pub subtotal: Option<&'a str>,
}

/// What is wrong with the amounts of an order; one that is not placed, and so has no total, has none of them.
pub fn fault<'a>(total: Option<&str>, mut lines: impl Iterator<Item = Line<'a>>) -> Option<String> {
    let Some(total) = total else {
        let priced = lines.any(|line| line.price.is_some() || line.subtotal.is_some());
        return priced.then(|| "lines have prices, the order has no total".to_owned());
    };
    let mut sum = Some(Decimal::ZERO);
    for Line { product_id, quantity, price, subtotal } in lines {
        let (Some(price), Some(subtotal)) = (price, subtotal) else {
            return Some(format!("product {product_id} has no price"));
        };
        let exact = decimal(price).and_then(|price| price.checked_mul(Decimal::from(quantity)));
        match (exact, decimal(subtotal)) {
            (Some(exact), Some(written)) if exact == written => sum = sum.and_then(|sum| sum.checked_add(written)),
            _ => return Some(format!("product {product_id}: {quantity} × {price} is not {subtotal}")),
        }
    }
    match sum {
        None => Some(format!("total {total}, its lines are more than can be added up")),
        Some(sum) => (decimal(total) != Some(sum)).then(|| format!("total {total}, its lines are {sum}")),
    }
}

fn decimal(digits: &str) -> Option<Decimal> {
    Decimal::from_str_exact(digits).ok()
}
