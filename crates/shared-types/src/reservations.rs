//! The call from order-service to inventory-service: bodies of the reservation requests and answers.

use crate::{Money, ProductId, Reference};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// How many reservations one batch call may carry.
pub const MAX_BATCH: usize = 256;

/// How many different products one reservation or order may name.
pub const MAX_LINES: usize = 100;

/// One product and how many pieces of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationLine {
    /// The product.
    pub product_id: ProductId,
    /// Pieces, at least 1.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 2)]
    pub quantity: i32,
}

/// A request to hold stock: all lines or none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationRequest {
    /// The reference of the order the stock is for; asking twice with the same one holds the stock once.
    pub id: Reference,
    /// What to hold, 1 to 100 lines.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<ReservationLine>,
}

/// Many requests in one call, up to [`MAX_BATCH`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReservationBatch {
    /// The requests; each is decided on its own.
    #[schema(min_items = 1, max_items = 256)]
    pub reservations: Vec<ReservationRequest>,
}

/// Reservations whose term is over, and what is to become of them: up to [`MAX_BATCH`] in all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"commit": [], "release": ["01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a71"]}))]
pub struct Settlement {
    /// Those whose order exists.
    #[serde(default)]
    #[schema(max_items = 256)]
    pub commit: Vec<Reference>,
    /// Those that have none.
    #[serde(default)]
    #[schema(max_items = 256)]
    pub release: Vec<Reference>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Settled {
    /// Those that are as asked, in the order they were asked for: first those to commit.
    pub settled: Vec<Reference>,
}

/// Where a reservation stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReservationStatus {
    /// The stock is set aside, its order is not known yet.
    Held,
    /// The stock is the order's.
    Committed,
    /// The stock went back.
    Released,
}

impl ReservationStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Held, Self::Committed, Self::Released];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Committed => "COMMITTED",
            Self::Released => "RELEASED",
        }
    }
}

impl fmt::Display for ReservationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no reservation status.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be one of HELD, COMMITTED, RELEASED")]
pub struct UnknownReservationStatus;

impl FromStr for ReservationStatus {
    type Err = UnknownReservationStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownReservationStatus)
    }
}

/// A line of a reservation with the name and price the product had when it was sold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservedLine {
    /// The product.
    pub product_id: ProductId,
    /// Its stock keeping unit.
    #[schema(example = "LAPTOP-001")]
    pub sku: String,
    /// Its name.
    #[schema(example = "Laptop Pro 15")]
    pub name: String,
    /// Pieces.
    #[schema(example = 2)]
    pub quantity: i32,
    /// Price of one piece.
    pub unit_price: Money,
}

/// What inventory-service knows of the stock of an order, for those who ask why the order stands still.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockTrace {
    /// The reservation; null where there is none.
    #[schema(required)]
    pub reservation: Option<ReservationTrace>,
    /// The messages about it that were set aside and wait for a decision.
    pub letters: Vec<LetterTrace>,
    /// When the oldest message was written that is not published yet; null where there is none.
    #[serde(with = "crate::times::option")]
    #[schema(required)]
    pub oldest_message: Option<OffsetDateTime>,
    /// Why RabbitMQ is not reached; null where it is.
    #[schema(required, example = "not connected yet")]
    pub broker: Option<String>,
}

/// Where a reservation stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationTrace {
    /// Its status.
    pub status: ReservationStatus,
    /// When the stock was reserved.
    #[serde(with = "crate::times")]
    pub created_at: OffsetDateTime,
    /// When settling ends it, if it is still HELD then.
    #[serde(with = "crate::times")]
    pub expires_at: OffsetDateTime,
}

/// A message that was set aside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LetterTrace {
    /// Number of the dead letter.
    #[schema(example = 1)]
    pub id: i64,
    /// The queue whose consumer could not deal with it.
    #[schema(example = "inventory-service.order-events")]
    pub consumer: String,
    /// Type of the event.
    #[schema(example = "order.created")]
    pub event_type: String,
    /// Id of the event.
    pub event_id: Option<Uuid>,
    /// Why it was set aside.
    #[schema(example = "cannot be parsed: missing field `reference`")]
    pub reason: String,
    /// When it was set aside.
    #[serde(with = "crate::times")]
    pub dead_lettered_at: OffsetDateTime,
    /// The trace context of its event.
    pub traceparent: Option<String>,
}

/// Stock set aside for one order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The reference of the order.
    pub id: Reference,
    /// Where it stands.
    pub status: ReservationStatus,
    /// The lines, by product id.
    pub items: Vec<ReservedLine>,
    /// When the stock was set aside.
    #[serde(with = "crate::times")]
    pub created_at: OffsetDateTime,
    /// Until when the order must exist; afterwards the stock goes back.
    #[serde(with = "crate::times")]
    pub expires_at: OffsetDateTime,
    /// Whether it was sold at once, without an order (`reserve-stock`); left out where it was not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
}

impl Reservation {
    /// The products of its lines.
    pub fn products(&self) -> impl Iterator<Item = ProductId> {
        self.items.iter().map(|line| line.product_id)
    }
}

/// What a problem of the kind `insufficient-stock` says beside the members that every problem has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ShortStock {
    /// The lines that lack stock.
    pub items: Vec<ShortLine>,
}

/// A line that asks for more than there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShortLine {
    /// The product.
    pub product_id: ProductId,
    /// Pieces asked for.
    pub requested: i32,
    /// Pieces available.
    pub available: i32,
}
