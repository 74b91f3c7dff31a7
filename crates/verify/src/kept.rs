//! What is kept of an order and of a reservation until both lists are read: a few bytes for each of millions.

use crate::amounts;
use crate::digest::Digests;
use crate::rows::{OrderRow, ReservationRow};
use serde_json::value::RawValue;
use shared_types::reservations::ReservationStatus;
use shared_types::{OrderStatus, Reference};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An order.
#[derive(Clone, Copy, Debug)]
pub struct KeptOrder {
    pub reference: Reference,
    pub id: i64,
    /// Stands for the lines.
    pub lines: u64,
    pub status: OrderStatus,
    /// Whether its stock was held and its prices are known.
    pub placed: bool,
    /// Whether something is wrong with its amounts.
    pub miscounted: bool,
}

/// A reservation.
#[derive(Clone, Copy, Debug)]
pub struct KeptReservation {
    /// The reference of its order.
    pub id: Reference,
    /// Stands for the lines.
    pub lines: u64,
    /// When its stock was set aside, in seconds since 1970, where it is HELD; 0 otherwise.
    pub held_at: u32,
    pub status: ReservationStatus,
    /// Sold without an order.
    pub direct: bool,
}

// Five million of each are to fit into the memory of a laptop.
const _: () = assert!(size_of::<KeptOrder>() + size_of::<KeptReservation>() <= 72);

impl KeptOrder {
    /// What is to be kept of this order.
    pub fn of(row: &OrderRow<'_>, digests: &Digests) -> Self {
        let lines = row.items.iter().map(|line| (line.product_id, line.quantity, line.price.map_or("", RawValue::get)));
        Self {
            reference: row.reference,
            id: row.id,
            lines: digests.of(lines),
            status: row.status,
            placed: row.total_amount.is_some(),
            miscounted: fault(row).is_some(),
        }
    }
}

fn fault(row: &OrderRow<'_>) -> Option<String> {
    let lines = row.items.iter().map(|line| amounts::Line {
        product_id: line.product_id,
        quantity: line.quantity,
        price: line.price.map(RawValue::get),
        subtotal: line.subtotal.map(RawValue::get),
    });
    amounts::fault(row.total_amount.map(RawValue::get), lines)
}

impl KeptReservation {
    /// What is to be kept of this reservation. An error where the time it was made at cannot be read.
    pub fn of(row: &ReservationRow<'_>, digests: &Digests) -> Result<Self, time::error::Parse> {
        let held_at = match row.status {
            // Seconds do for a first look: who may have been held too long is looked at again.
            ReservationStatus::Held => {
                let time = OffsetDateTime::parse(row.created_at, &Rfc3339)?;
                u32::try_from(time.unix_timestamp()).unwrap_or(0)
            }
            _ => 0,
        };
        let lines = row.items.iter().map(|line| (line.product_id, line.quantity, line.unit_price.get()));
        Ok(Self { id: row.id, lines: digests.of(lines), held_at, status: row.status, direct: row.direct })
    }
}
