//! What a client sends about orders, and the checks of every field.

use serde::{Deserialize, Serialize};
use service_kit::validation::FieldErrors;
use shared_types::reservations::{MAX_LINES, ReservationLine};
use shared_types::{OrderStatus, ProductId};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Most pieces in one line.
const MAX_QUANTITY: i32 = 1_000_000;

// Every field is optional here, so that all that are missing can be named at once.
/// An order as a client sends it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrder {
    /// Who orders.
    #[schema(required, nullable = false, max_length = 200, example = "Ada Lovelace")]
    pub customer_name: Option<String>,
    /// Where to write to.
    #[schema(required, nullable = false, max_length = 254, example = "ada@example.com")]
    pub customer_email: Option<String>,
    /// Where to call.
    #[schema(max_length = 32, example = "+44 20 7946 0000")]
    pub customer_phone: Option<String>,
    /// Where to send it.
    #[schema(required, nullable = false, max_length = 500, example = "12 St James's Square, London")]
    pub shipping_address: Option<String>,
    /// What is ordered; lines of one product are added up.
    #[schema(required, nullable = false, min_items = 1, max_items = 100)]
    pub items: Option<Vec<PlaceOrderLine>>,
}

/// A line of an order as a client sends it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrderLine {
    /// The product.
    #[schema(required, nullable = false, minimum = 1, example = 1)]
    pub product_id: Option<i64>,
    /// Pieces.
    #[schema(required, nullable = false, minimum = 1, maximum = 1_000_000, example = 2)]
    pub quantity: Option<i64>,
}

/// An order whose every field has been checked; one line for each product, by product id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewOrder {
    /// Who orders.
    pub customer_name: String,
    /// Where to write to.
    pub customer_email: String,
    /// Where to call.
    pub customer_phone: Option<String>,
    /// Where to send it.
    pub shipping_address: String,
    /// What is ordered.
    pub lines: Vec<ReservationLine>,
}

impl PlaceOrder {
    /// Checks every field and names all that are at fault.
    pub fn parse(self) -> Result<NewOrder, FieldErrors> {
        let mut errors = FieldErrors::default();
        let customer_name = errors.required_text("customerName", self.customer_name, 200);
        let customer_email = errors.required_text("customerEmail", self.customer_email, 254);
        if !customer_email.is_empty() && !is_email(&customer_email) {
            errors.add("customerEmail", "must be an e-mail address");
        }
        let customer_phone = errors.optional_text("customerPhone", self.customer_phone, 32);
        if customer_phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
            errors.add("customerPhone", "must be a telephone number of digits, spaces and + - ( ) / .");
        }
        let shipping_address = errors.required_text("shippingAddress", self.shipping_address, 500);
        let lines = parse_lines(&mut errors, self.items);
        errors.into_result(NewOrder { customer_name, customer_email, customer_phone, shipping_address, lines })
    }
}

fn parse_lines(errors: &mut FieldErrors, items: Option<Vec<PlaceOrderLine>>) -> Vec<ReservationLine> {
    let Some(items) = items else {
        errors.add("items", "is required");
        return Vec::new();
    };
    if items.is_empty() || items.len() > MAX_LINES {
        errors.add("items", format!("must have 1 to {MAX_LINES} lines"));
        return Vec::new();
    }
    let mut quantities: BTreeMap<ProductId, i32> = BTreeMap::new();
    for (index, line) in items.into_iter().enumerate() {
        let product = match line.product_id {
            None => {
                errors.add(format!("items[{index}].productId"), "is required");
                0
            }
            Some(id) if id < 1 => {
                errors.add(format!("items[{index}].productId"), "must be at least 1");
                id
            }
            Some(id) => id,
        };
        let quantity = errors.required_number(&format!("items[{index}].quantity"), line.quantity, 1..=MAX_QUANTITY);
        // At most 100 lines of a million pieces each: the sum fits.
        *quantities.entry(ProductId(product)).or_default() += quantity;
    }
    quantities.into_iter().map(|(product_id, quantity)| ReservationLine { product_id, quantity }).collect()
}

/// One `@` with something before it and a dotted name behind it: whether mail arrives, only mail can tell.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "@<>,;\"".contains(c));
    plain(local) && plain(domain) && domain.split('.').all(|label| !label.is_empty()) && domain.contains('.')
}

fn is_phone(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || " +-()/.".contains(c)) && text.chars().any(|c| c.is_ascii_digit())
}

/// The status an order is to get.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ChangeStatus {
    /// PENDING, CONFIRMED, SHIPPED, DELIVERED or CANCELLED.
    #[schema(required, nullable = false, value_type = OrderStatus, example = "SHIPPED")]
    pub status: Option<String>,
}

impl ChangeStatus {
    /// Checks every field and names all that are at fault.
    pub fn parse(self) -> Result<OrderStatus, FieldErrors> {
        let status = self.status.ok_or_else(|| FieldErrors::one("status", "is required"))?;
        status.parse().map_err(|error| FieldErrors::one("status", error))
    }
}

/// Why an order is called off.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct CancelOrder {
    /// Shown in the timeline.
    #[schema(max_length = 500, example = "Ordered by mistake")]
    pub reason: Option<String>,
}

impl CancelOrder {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<Option<String>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let reason = errors.optional_text("reason", self.reason.clone(), 500);
        errors.into_result(reason)
    }
}
