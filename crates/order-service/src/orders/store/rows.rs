//! The columns of an order, each listed once for reading and once for writing.

use crate::orders::domain::{NewOrder, Order, OrderItem};
use rust_decimal::Decimal;
use service_kit::contact::kept_key;
use service_kit::{read_columns, written_columns};
use shared_types::{Money, OrderId, OrderStatus, ProductId, Reference};
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// A status as the column has it; the CHECK constraint allows no other.
pub(super) fn status(text: &str) -> Result<OrderStatus, sqlx::Error> {
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

read_columns! {
    /// The columns of `orders.orders` that are read, in this one place.
    pub(super) struct OrderRow {
        id: i64,
        reference: Uuid,
        customer_id: Option<Uuid>,
        customer_name: String,
        customer_email: String,
        customer_phone: Option<String>,
        shipping_address: String,
        note: Option<String>,
        status: String,
        total_amount: Option<Decimal>,
        version: i64,
        created_at: OffsetDateTime,
        updated_at: OffsetDateTime,
    }
}

written_columns! {
    /// The columns of `orders.orders` that placing writes, in this one place; and by when it must be done.
    #[derive(Clone, Debug)]
    pub struct NewOrderRow<'a> {
        /// Its reference.
        reference: Uuid = "uuid",
        /// Whose it is, if it is somebody's.
        customer_id: Option<Uuid> = "uuid",
        /// Who orders.
        customer_name: &'a str = "text",
        /// Where to write to.
        customer_email: &'a str = "text",
        /// What the address is compared by, where that is not the address in lower-case ASCII.
        customer_key: Option<String> = "text",
        /// Where to call.
        customer_phone: Option<&'a str> = "text",
        /// Where to send it.
        shipping_address: &'a str = "text",
        /// Where it stands.
        status: &'static str = "text",
        note: Option<&'a str> = "text",
        /// Sum of its lines, where its stock is reserved.
        total_amount: Option<Decimal> = "numeric",
    }
}

read_columns! {
    /// The columns of `orders.order_items` that are read.
    pub(super) struct ItemRow {
        item_id: i64,
        product_id: i64,
        product_name: Option<String>,
        quantity: i32,
        price: Option<Decimal>,
        subtotal: Option<Decimal>,
    }
}

impl<'a> NewOrderRow<'a> {
    /// The row of an order, which begins as PENDING.
    pub fn of(reference: Reference, customer_id: Option<Uuid>, new: &'a NewOrder, total_amount: Option<Money>) -> Self {
        Self {
            reference: reference.0,
            customer_id,
            customer_name: &new.customer_name,
            customer_email: new.customer_email.as_str(),
            customer_key: kept_key(new.customer_email.as_str()),
            customer_phone: new.customer_phone.as_deref(),
            shipping_address: &new.shipping_address,
            note: new.note.as_deref(),
            status: OrderStatus::Pending.as_str(),
            total_amount: total_amount.map(Money::decimal),
        }
    }
}

/// What the database adds to a row that is written.
#[derive(Clone, Debug)]
pub struct Inserted {
    pub id: OrderId,
    pub reference: Reference,
    /// When it was placed.
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub version: i64,
    /// The number of each line, by product.
    pub items: HashMap<ProductId, i64>,
}

impl Inserted {
    /// The order that was written, as it would be read.
    pub fn order(
        self,
        customer_id: Option<Uuid>,
        new: &NewOrder,
        total_amount: Option<Money>,
        items: Vec<OrderItem>,
    ) -> Order {
        let id_of = |item: &OrderItem| self.items.get(&item.product_id).copied().unwrap_or_default();
        let new = new.clone();
        Order {
            id: self.id,
            order_number: self.id.order_number(),
            reference: self.reference,
            customer_id,
            customer_name: new.customer_name,
            customer_email: new.customer_email.to_string(),
            customer_phone: new.customer_phone,
            shipping_address: new.shipping_address,
            note: new.note,
            status: OrderStatus::Pending,
            payment: None,
            total_amount,
            items: items.into_iter().map(|item| OrderItem { id: id_of(&item), ..item }).collect(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
        }
    }
}

impl TryFrom<OrderRow> for Order {
    type Error = sqlx::Error;

    fn try_from(row: OrderRow) -> Result<Self, sqlx::Error> {
        let id = OrderId(row.id);
        Ok(Self {
            id,
            order_number: id.order_number(),
            reference: Reference(row.reference),
            customer_id: row.customer_id,
            customer_name: row.customer_name,
            customer_email: row.customer_email,
            customer_phone: row.customer_phone,
            shipping_address: row.shipping_address,
            note: row.note,
            status: status(&row.status)?,
            payment: None,
            total_amount: row.total_amount.map(Into::into),
            items: Vec::new(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        })
    }
}

impl From<ItemRow> for OrderItem {
    fn from(row: ItemRow) -> Self {
        Self {
            id: row.item_id,
            product_id: ProductId(row.product_id),
            product_name: row.product_name,
            quantity: row.quantity,
            price: row.price.map(Into::into),
            subtotal: row.subtotal.map(Into::into),
        }
    }
}
