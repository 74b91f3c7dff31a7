//! Orders: what a client sends, what an order is, and the sums.

mod changes;
mod payment;
mod price_guard;
mod timeline;

use crate::payments::{Payment, PlacePayment, RequestedPayment};
pub use changes::{CancelOrder, ChangeStatus, ClaimOrder, OrderPatch, PatchOrder, Patchable};
pub use payment::OrderPayment;
pub use price_guard::{ChangedTotal, PriceGuard, Unsellable};
use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::contact::{self, EmailAddress};
use service_kit::validation::FieldErrors;
use shared_types::events::{OrderLine, OrderSnapshot};
use shared_types::reservations::{MAX_LINES, Reservation, ReservationLine, ReservationStatus, ReservedLine};
use shared_types::{Money, OrderId, OrderStatus, ProductId, Reference};
use std::collections::BTreeMap;
use time::OffsetDateTime;
pub use timeline::{Explanation, TimelineEntry};
use utoipa::ToSchema;
use uuid::Uuid;

/// Most pieces in one line.
const MAX_QUANTITY: i32 = 1_000_000;

// Every field is optional here, so that all that are missing can be named at once.
/// An order as a client sends it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrder {
    /// Who orders.
    #[schema(required, nullable = false, max_length = 200, example = "Ada Lovelace")]
    pub customer_name: Option<String>,
    /// Where to write to.
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 254,
        format = "email",
        example = "ada@example.com"
    )]
    pub customer_email: Option<String>,
    /// Where to call: 4 to 17 digits with `+ - ( ) / .` and blanks between them, and an extension (`x12`, `;ext=12`) behind.
    #[schema(max_length = 32, example = "+44 20 7946 0000")]
    pub customer_phone: Option<String>,
    /// Where to send it. Either this or `shippingAddressId` must be there.
    #[schema(nullable = false, max_length = 500, format = "lines", example = "12 St James's Square, London")]
    pub shipping_address: Option<String>,
    /// The customer's address of this id, as account-service has it now, instead of `shippingAddress`. For customers alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub shipping_address_id: Option<String>,
    /// What the shop should know, such as where to leave the parcel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500, format = "lines", example = "Please ring twice")]
    pub note: Option<String>,
    /// What is ordered; lines of one product are added up.
    #[schema(required, nullable = false, min_items = 1, max_items = 100)]
    pub items: Option<Vec<PlaceOrderLine>>,
    /// What the customer was shown: at another total the order is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, format = "decimal", minimum = 0.01, multiple_of = 0.01, example = 4999.98)]
    pub expected_total: Option<Money>,
    /// By what the order is to be paid. Where it is left out, the order asks for no payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment: Option<PlacePayment>,
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
    /// What the customer was shown for one piece: at another price the order is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, format = "decimal", minimum = 0.01, maximum = 9_999_999_999.99, multiple_of = 0.01, example = 2499.99)]
    pub unit_price: Option<Money>,
}

/// An order whose every field has been checked; one line for each product, by product id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewOrder {
    pub customer_name: String,
    /// Where to write to.
    pub customer_email: EmailAddress,
    pub customer_phone: Option<String>,
    /// Where to send it.
    pub shipping_address: String,
    pub note: Option<String>,
    pub lines: Vec<ReservationLine>,
    /// The prices it may be placed at, where the client says so.
    pub guard: Option<PriceGuard>,
    /// By what it is to be paid, where it asks for that.
    pub payment: Option<RequestedPayment>,
}

impl PlaceOrder {
    /// Checks every field and names all that are at fault. Where there is the id of an address, the order has no address until it
    /// is looked up.
    pub fn parse(self) -> Result<(NewOrder, Option<Uuid>), FieldErrors> {
        let mut errors = FieldErrors::default();
        let customer_name = contact::parse_name(&mut errors, "customerName", self.customer_name);
        let customer_email = contact::parse_email(&mut errors, "customerEmail", self.customer_email);
        let customer_phone = contact::parse_phone(&mut errors, "customerPhone", self.customer_phone);
        let address_id = parse_address_id(&mut errors, self.shipping_address_id, self.shipping_address.is_some());
        let shipping_address = match address_id {
            None => errors.required_lines("shippingAddress", self.shipping_address, 500),
            Some(_) => String::new(),
        };
        let note = parse_note(&mut errors, self.note);
        let guard = parse_guard(&mut errors, self.expected_total, self.items.as_deref().unwrap_or_default());
        let lines = parse_lines(&mut errors, self.items);
        let payment = self.payment.and_then(|payment| payment.parse(&mut errors, "payment."));
        // None where it is among the fields at fault.
        let Some(customer_email) = customer_email else { return Err(errors) };
        let order =
            NewOrder { customer_name, customer_email, customer_phone, shipping_address, note, lines, guard, payment };
        errors.into_result((order, address_id))
    }
}

impl Body for PlaceOrder {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

/// The id of an address. One that cannot be read is at fault, and so is one that stands beside an address.
fn parse_address_id(errors: &mut FieldErrors, text: Option<String>, has_address: bool) -> Option<Uuid> {
    let text = text?;
    let id = text.parse::<Reference>().map(|id| id.0);
    if has_address {
        errors.add("shippingAddressId", "cannot stand beside shippingAddress");
    } else if id.is_err() {
        errors.add("shippingAddressId", "must be a UUID");
    }
    Some(id.unwrap_or_default())
}

/// A note of at most 500 characters; a blank one is none.
pub(super) fn parse_note(errors: &mut FieldErrors, note: Option<String>) -> Option<String> {
    errors.optional_lines("note", note, 500)
}

/// The prices that the client names. Lines of one product cannot name different ones.
fn parse_guard(errors: &mut FieldErrors, total: Option<Money>, lines: &[PlaceOrderLine]) -> Option<PriceGuard> {
    const POSITIVE: &str = "must be at least 0.01";
    if total.is_some_and(|total| !total.is_positive()) {
        errors.add("expectedTotal", POSITIVE);
    }
    let mut unit_prices = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        let (Some(product), Some(price)) = (line.product_id, line.unit_price) else { continue };
        let field = || format!("items[{index}].unitPrice");
        if !price.is_positive() {
            errors.add(field(), POSITIVE);
        } else if !price.fits_price() {
            errors.add(field(), "must be below 10000000000");
        }
        if unit_prices.insert(ProductId(product), price).is_some_and(|other| other != price) {
            errors.add(field(), "must be the same in all lines of a product");
        }
    }
    PriceGuard::new(total, unit_prices)
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
        let quantity = errors.required_number(format_args!("items[{index}].quantity"), line.quantity, 1..=MAX_QUANTITY);
        // At most 100 lines of a million pieces each: the sum fits.
        *quantities.entry(ProductId(product)).or_default() += quantity;
    }
    quantities.into_iter().map(|(product_id, quantity)| ReservationLine { product_id, quantity }).collect()
}

/// An order as it is kept and shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// The number as people write it.
    #[schema(example = "ORD-00000001")]
    pub order_number: String,
    /// Its public reference, also the key of its reservation.
    pub reference: Reference,
    /// The account of the customer who placed it; null for orders of guests and operators.
    #[schema(required)]
    pub customer_id: Option<Uuid>,
    /// Who ordered.
    #[schema(example = "Ada Lovelace")]
    pub customer_name: String,
    /// Where to write to.
    #[schema(example = "ada@example.com")]
    pub customer_email: String,
    /// Where to call.
    #[schema(example = "+44 20 7946 0000")]
    pub customer_phone: Option<String>,
    /// Where to send it.
    #[schema(example = "12 St James's Square, London")]
    pub shipping_address: String,
    /// What the shop should know.
    #[schema(example = "Please ring twice")]
    pub note: Option<String>,
    /// Where it stands.
    pub status: OrderStatus,
    /// Its payment; null where it asks for none.
    #[schema(required)]
    pub payment: Option<Box<OrderPayment>>,
    /// Sum of the lines; null until the order is placed.
    #[schema(required)]
    pub total_amount: Option<Money>,
    /// The lines, by product id.
    pub items: Vec<OrderItem>,
    /// When it was asked for.
    #[serde(with = "shared_types::times")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "shared_types::times")]
    pub updated_at: OffsetDateTime,
    /// Its version, the ETag.
    #[serde(skip)]
    pub version: i64,
}

impl Order {
    /// Whether its stock must be committed before it can come to `status`: it may not be known yet whether it still is there.
    pub fn needs_commit_for(&self, status: OrderStatus) -> bool {
        let onwards = matches!(status, OrderStatus::Confirmed | OrderStatus::Shipped | OrderStatus::Delivered);
        let before = matches!(self.status, OrderStatus::Pending | OrderStatus::Paid);
        onwards && before && self.total_amount.is_some() && !self.payment_is_due()
    }

    /// Whether it has to be paid before it can go on.
    pub fn payment_is_due(&self) -> bool {
        self.payment.as_ref().is_some_and(|payment| payment.status.is_due())
    }

    /// Whether this is the payment that was opened last.
    pub fn has_latest(&self, payment: &Payment) -> bool {
        self.payment.as_ref().is_some_and(|latest| latest.id == payment.id)
    }

    /// The order as its events carry it. One that was not placed was cancelled by somebody, unless who tells of it knows better.
    pub fn snapshot(&self, reason: Option<String>) -> OrderSnapshot {
        let line = |item: &OrderItem| OrderLine {
            product_id: item.product_id,
            product_name: item.product_name.clone(),
            quantity: item.quantity,
            price: item.price,
        };
        OrderSnapshot {
            order_id: self.id,
            reference: self.reference,
            reason,
            customer_name: self.customer_name.clone(),
            customer_email: self.customer_email.clone(),
            customer_phone: self.customer_phone.clone(),
            shipping_address: self.shipping_address.clone(),
            note: self.note.clone(),
            total_amount: self.total_amount,
            items: self.items.iter().map(line).collect(),
            guest: self.customer_id.is_none(),
            given_up: self.total_amount.is_none().then_some(false),
            payment: None,
        }
    }
}

/// A line of an order, with name and price as sold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    /// Its number.
    #[schema(example = 1)]
    pub id: i64,
    /// The product.
    pub product_id: ProductId,
    /// The product's name; null until the order is placed.
    #[schema(required, example = "Laptop Pro 15")]
    pub product_name: Option<String>,
    /// Pieces.
    #[schema(example = 2)]
    pub quantity: i32,
    /// Price of one piece; null until the order is placed.
    #[schema(required)]
    pub price: Option<Money>,
    /// Price of all of them; null until the order is placed.
    #[schema(required)]
    pub subtotal: Option<Money>,
}

impl OrderItem {
    /// A line whose stock is held, not written yet.
    pub fn reserved(line: &ReservedLine) -> Self {
        Self {
            id: 0,
            product_id: line.product_id,
            product_name: Some(line.name.clone()),
            quantity: line.quantity,
            price: Some(line.unit_price),
            subtotal: Some(line.unit_price.times(line.quantity)),
        }
    }

    /// A line whose name and price are not known yet, not written yet.
    pub fn unplaced(line: &ReservationLine) -> Self {
        let (product_id, quantity) = (line.product_id, line.quantity);
        Self { id: 0, product_id, product_name: None, quantity, price: None, subtotal: None }
    }
}

/// What the reserved lines cost together.
pub fn total(reservation: &Reservation) -> Money {
    reservation.items.iter().map(|line| line.unit_price.times(line.quantity)).sum()
}

/// Until when the order may be written, if there is such a time: stock that is committed already never goes back by
/// itself.
///
/// Three quarters of the time the stock is held for. The last quarter keeps a slow placement and the settling job
/// apart, also when the two databases' clocks differ a little.
pub fn placement_deadline(reservation: &Reservation) -> Option<OffsetDateTime> {
    let deadline = reservation.created_at + (reservation.expires_at - reservation.created_at) * 3 / 4;
    (reservation.status != ReservationStatus::Committed).then_some(deadline)
}

#[cfg(test)]
mod tests;
