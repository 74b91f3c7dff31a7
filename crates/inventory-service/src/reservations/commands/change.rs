//! Commits, releases and cancels reservations.

use crate::reservations::domain::changes::{Change, Standing, Transition};
use crate::reservations::error::Error;
use crate::reservations::store;
use crate::schema::OUTBOX;
use crate::stock::{self, LockedLevel, NewMovement};
use service_kit::outbox::Event;
use shared_types::events::{
    EventData, ReservationChanged, ReservationCommitted, ReservationReleased, StockReplenished,
};
use shared_types::reservations::{Reservation, ReservationStatus};
use shared_types::{ProductId, Reference};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;

/// Makes the changes in order, giving stock back where it is due. One outcome for each: the reservation as it is
/// after it, or why nothing changed (there is no such reservation, or its life does not allow it).
///
/// The number of statements is the same for one change and for hundreds.
pub async fn change(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    changes: &[Change],
) -> Result<Vec<Result<Reservation, Error>>, Error> {
    let ids: BTreeSet<Reference> = changes.iter().map(|change| change.reference).collect();
    let ids: Vec<Reference> = ids.into_iter().collect();
    let mut locked = store::lock(conn, &ids).await?;
    // Only those: one that was made since is not locked, and comes too late for the changes.
    let found = store::find(&mut *conn, &locked.keys().copied().collect::<Vec<_>>()).await?;
    let mut reservations: BTreeMap<Reference, Reservation> = found.into_iter().map(|r| (r.id, r)).collect();
    let (mut outcomes, mut changed) = (Vec::with_capacity(changes.len()), BTreeMap::new());
    let (mut returned, mut events) = (Vec::new(), Vec::new());
    for change in changes {
        outcomes.push(match reservations.get_mut(&change.reference) {
            None => Err(Error::UnknownReservation(change.reference)),
            Some(reservation) => {
                let counts = locked.entry(reservation.id).or_default();
                let from = Standing { status: reservation.status, unclaimed: counts.unclaimed };
                match change.action.on(from) {
                    Err(refused) => Err(Error::InvalidTransition(refused)),
                    Ok(Transition::None) => Ok(reservation.clone()),
                    Ok(Transition::To(to)) => {
                        (reservation.status, counts.unclaimed) = (to.status, to.unclaimed);
                        changed.insert(reservation.id, to);
                        if to.status == ReservationStatus::Released {
                            returned.push(Returned { counted: counts.reserved, of: reservation.clone() });
                        }
                        events.extend(announcement(to.status, change)?);
                        Ok(reservation.clone())
                    }
                }
            }
        });
    }
    if !changed.is_empty() {
        events.extend(give_back(conn, &returned).await?);
        store::set_standing(conn, changed).await?;
        OUTBOX.enqueue(conn, now, &events).await?;
    }
    Ok(outcomes)
}

/// The products whose stock a change moved that left the reservation like this: only one that is released gives any back.
pub fn moved_by_change(after: &Reservation) -> impl Iterator<Item = ProductId> {
    let released = (after.status == ReservationStatus::Released).then_some(after);
    released.into_iter().flat_map(Reservation::products)
}

/// The event that tells of a reservation having come to `status`. Coming to be HELD is told to nobody.
pub(super) fn announcement(status: ReservationStatus, change: &Change) -> Result<Option<Event>, serde_json::Error> {
    let data = ReservationChanged { reference: change.reference };
    let event = match status {
        ReservationStatus::Held => return Ok(None),
        ReservationStatus::Committed => of(&ReservationCommitted(data))?,
        ReservationStatus::Released => of(&ReservationReleased(data))?,
    };
    Ok(Some(event.caused_by(change.traceparent.clone())))
}

fn of(data: &impl EventData) -> Result<Event, serde_json::Error> {
    Event::new(data)
}

/// A reservation whose stock goes back.
struct Returned {
    of: Reservation,
    /// Whether its pieces count as reserved.
    counted: bool,
}

/// Gives the stock of the reservations back, also to products that were deleted meanwhile; gives what is to be announced:
/// the products whose stock is above the threshold again, each once, whatever it took.
async fn give_back(conn: &mut PgConnection, returned: &[Returned]) -> Result<Vec<Event>, Error> {
    if returned.is_empty() {
        return Ok(Vec::new());
    }
    let lines = || returned.iter().flat_map(|r| r.of.items.iter().map(move |line| (r, line)));
    let products: BTreeSet<ProductId> = lines().map(|(_, line)| line.product_id).collect();
    let locked = stock::lock_levels(conn, &products.into_iter().collect::<Vec<_>>()).await?;
    let mut levels: BTreeMap<ProductId, LockedLevel> = locked.collect();
    let low: BTreeSet<ProductId> = levels.values().filter(|l| l.is_low()).map(|l| l.level.product_id).collect();
    let mut movements = Vec::new();
    for (Returned { of, counted }, line) in lines() {
        let Some(LockedLevel { level, .. }) = levels.get_mut(&line.product_id) else { continue };
        level.stock_quantity = level.stock_quantity.checked_add(line.quantity).ok_or(stock::Error::StockLimit)?;
        let balance = level.stock_quantity;
        movements.push(NewMovement::of_reservation(of.id, line.product_id, line.quantity, balance, *counted));
    }
    stock::record(conn, &movements).await?;
    let risen = levels.into_values().filter(|l| !l.deleted && low.contains(&l.level.product_id) && !l.is_low());
    risen.map(|locked| Ok(of(&StockReplenished(locked.level))?)).collect()
}
