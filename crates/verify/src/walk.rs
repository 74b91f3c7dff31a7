//! Reads the lists of both services at the same time, and keeps of each row what is needed to compare it.

use crate::api::{Api, VerifyError};
use crate::digest::Digests;
use crate::kept::{KeptOrder, KeptReservation};
use crate::pages::Pages;
use crate::progress::grouped;
use crate::rows::{OrderRow, ReservationRow};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many rows were read so far.
#[derive(Debug, Default)]
pub struct Counts {
    orders: AtomicUsize,
    reservations: AtomicUsize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [orders, reservations] =
            [&self.orders, &self.reservations].map(|count| grouped(count.load(Ordering::Relaxed)));
        write!(f, "read: {orders} orders, {reservations} reservations")
    }
}

/// Every order, newest first, and every reservation, by id.
pub async fn both(
    orders: &Api,
    inventory: &Api,
    counts: &Counts,
) -> Result<(Vec<KeptOrder>, Vec<KeptReservation>), VerifyError> {
    let digests = Digests::default();
    tokio::try_join!(
        all_orders(orders, &digests, &counts.orders),
        all_reservations(inventory, &digests, &counts.reservations)
    )
}

async fn all_orders(service: &Api, digests: &Digests, count: &AtomicUsize) -> Result<Vec<KeptOrder>, VerifyError> {
    let mut kept = Vec::new();
    let mut pages = Pages::of(service, "/api/orders");
    while let Some(page) = pages.next().await? {
        let orders = page.rows::<OrderRow<'_>>()?;
        kept.extend(orders.iter().map(|order| KeptOrder::of(order, digests)));
        let first_new = kept.len() - orders.len();
        in_turn(&kept, first_new, |order| std::cmp::Reverse(order.id))
            .map_err(|order| page.unexpected(format!("order {} out of turn or twice", order.id)))?;
        count.store(kept.len(), Ordering::Relaxed);
    }
    Ok(kept)
}

async fn all_reservations(
    service: &Api,
    digests: &Digests,
    count: &AtomicUsize,
) -> Result<Vec<KeptReservation>, VerifyError> {
    let mut kept = Vec::new();
    let mut pages = Pages::of(service, "/api/inventory/reservations");
    while let Some(page) = pages.next().await? {
        let reservations = page.rows::<ReservationRow<'_>>()?;
        for reservation in &reservations {
            let unreadable = |error| page.unexpected(format!("reservation {}: createdAt: {error}", reservation.id));
            kept.push(KeptReservation::of(reservation, digests).map_err(unreadable)?);
        }
        let first_new = kept.len() - reservations.len();
        in_turn(&kept, first_new, |reservation| reservation.id)
            .map_err(|reservation| page.unexpected(format!("reservation {} out of turn or twice", reservation.id)))?;
        count.store(kept.len(), Ordering::Relaxed);
    }
    Ok(kept)
}

/// Whether each row from `first_new` on comes after the one before it: a list that is cut by its key has every row
/// once, and one that runs in a circle would never end. Gives the first that does not.
fn in_turn<T, Key: Ord>(rows: &[T], first_new: usize, key: impl Fn(&T) -> Key) -> Result<(), &T> {
    let pairs = rows.windows(2).skip(first_new.saturating_sub(1));
    pairs.filter(|pair| key(&pair[0]) >= key(&pair[1])).map(|pair| &pair[1]).next().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::{Counts, in_turn};
    use std::sync::atomic::Ordering;

    #[test]
    fn a_row_that_comes_twice_or_too_late_is_found_within_a_page_and_between_two() {
        let of = |rows: &[i32], first_new| in_turn(rows, first_new, |row| *row).err().copied();
        assert_eq!(of(&[], 0), None);
        assert_eq!(of(&[1, 2, 3, 4], 0), None);
        assert_eq!(of(&[1, 2, 2, 4], 0), Some(2));
        assert_eq!(of(&[1, 2, 4, 3], 2), Some(3));
        assert_eq!(of(&[1, 2, 2, 3], 2), Some(2), "the last of the page before comes again");
        assert_eq!(of(&[2, 1, 3, 4], 2), None, "what was looked at before is not looked at again");
    }

    #[test]
    fn says_how_much_was_read() {
        let counts = Counts::default();
        counts.orders.store(1_200_000, Ordering::Relaxed);
        assert_eq!(counts.to_string(), "read: 1,200,000 orders, 0 reservations");
    }
}
