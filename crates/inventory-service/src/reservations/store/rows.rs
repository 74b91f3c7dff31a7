//! The rows that reservations are read from.

use shared_types::reservations::{Reservation, ReservedLine, UnknownReservationStatus};
use shared_types::{Money, ProductId, Reference};
use time::OffsetDateTime;
use uuid::Uuid;

/// One item of a reservation, beside its reservation.
pub(super) struct ItemRow {
    pub id: Uuid,
    pub status: String,
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub direct: bool,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub quantity: i32,
    pub unit_price: Money,
}

/// Puts the items of each reservation together; the rows come sorted.
pub(super) fn grouped(rows: Vec<ItemRow>) -> Result<Vec<Reservation>, sqlx::Error> {
    let mut reservations: Vec<Reservation> = Vec::new();
    for row in rows {
        let line = ReservedLine {
            product_id: row.product_id,
            sku: row.sku,
            name: row.name,
            quantity: row.quantity,
            unit_price: row.unit_price,
        };
        match reservations.last_mut() {
            Some(same) if same.id.0 == row.id => same.items.push(line),
            _ => reservations.push(Reservation {
                id: Reference(row.id),
                status: row
                    .status
                    .parse()
                    .map_err(|error: UnknownReservationStatus| sqlx::Error::Decode(Box::new(error)))?,
                items: vec![line],
                created_at: row.created_at,
                expires_at: row.expires_at,
                direct: row.direct,
            }),
        }
    }
    Ok(reservations)
}
