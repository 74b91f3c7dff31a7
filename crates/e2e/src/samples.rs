//! Bodies for the calls, and what the sample data holds.

use serde_json::{Value, json};
use uuid::Uuid;

/// `LAPTOP-001`: 2499.99, 50 in stock.
pub const LAPTOP: i64 = 1;
/// `MOUSE-001`: 29.99, 200 in stock.
pub const MOUSE: i64 = 2;
/// `KEYBOARD-001`: 149.99, 75 in stock.
pub const KEYBOARD: i64 = 3;
/// `MONITOR-001`: 599.90, 30 in stock.
pub const MONITOR: i64 = 4;
/// `HEADSET-001`: 199.00, 8 in stock, which is below its threshold.
pub const HEADSET: i64 = 5;

/// The stock of the sample products, by id from 1 upwards.
pub const STOCK: [i64; 5] = [50, 200, 75, 30, 8];

/// A body for `POST /api/inventory/products`.
pub fn product(sku: &str, price: &str, stock: i64) -> Value {
    json!({"sku": sku, "name": format!("The {sku}"), "price": number(price), "stockQuantity": stock})
}

/// A body for `POST /api/orders`; each line is a product and how many of it.
pub fn order(lines: &[(i64, i64)]) -> Value {
    order_of("ada@example.com", lines)
}

/// A body for `POST /api/orders` by this customer.
pub fn order_of(email: &str, lines: &[(i64, i64)]) -> Value {
    json!({
        "customerName": "Ada Lovelace",
        "customerEmail": email,
        "customerPhone": "+44 20 7946 0000",
        "shippingAddress": "12 St James's Square, London",
        "items": items(lines),
    })
}

/// A body for `POST /api/inventory/reservations`.
pub fn reservation(id: Uuid, lines: &[(i64, i64)]) -> Value {
    json!({"id": id, "items": items(lines)})
}

/// The lines of an order or a reservation.
pub fn items(lines: &[(i64, i64)]) -> Vec<Value> {
    lines.iter().map(|(product, quantity)| json!({"productId": product, "quantity": quantity})).collect()
}

/// A JSON number with exactly these digits.
pub fn number(digits: &str) -> Value {
    serde_json::from_str(digits).unwrap_or_else(|error| panic!("{digits}: {error}"))
}

/// A whole number out of an answer.
#[track_caller]
pub fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no whole number: {value}"))
}

/// A text out of an answer.
#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
