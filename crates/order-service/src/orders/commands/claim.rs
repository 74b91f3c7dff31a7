//! Takes an order of nobody into the account of a customer who has its code.

use super::CUSTOMER;
use crate::orders::domain::Order;
use crate::orders::error::Error;
use crate::orders::store::guests::{self, Wrong};
use service_kit::access::Scope;
use shared_types::OrderId;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

/// Wrong codes in a row, after which none is looked at for [`PAUSE`].
const TRIES: i32 = 5;

/// How long after the last wrong code the count begins anew. So nobody gets further than 120 tries a day, of 2^40 codes, and
/// nobody who has the link can lock out for good who has the code.
const PAUSE: Duration = Duration::HOUR;

/// What a try comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// The order is the customer's, now or since before.
    Theirs,
    /// The code was wrong, which is counted: the transaction has to be committed.
    WrongCode,
    /// Too many codes were wrong; the next is looked at after so many seconds.
    TooManyWrong(u32),
}

/// Gives the order to the customer of the scope, if the code is `right`. An order of somebody else is as one that does not exist.
pub async fn claim(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    scope: Scope,
    id: OrderId,
    right: bool,
) -> Result<Claim, Error> {
    let order = guests::lock(conn, scope, id).await?.ok_or(Error::UnknownLink)?;
    let Order { customer_id: None, .. } = order else { return Ok(Claim::Theirs) };
    let owner = scope.owner().ok_or(Error::UnknownLink)?;
    let before = guests::wrong(conn, id).await?.filter(|wrong| now - wrong.last_at < PAUSE);
    if let Some(wrong) = before.filter(|wrong| wrong.in_a_row >= TRIES) {
        let seconds = (wrong.last_at + PAUSE - now).whole_seconds() + 1;
        return Ok(Claim::TooManyWrong(u32::try_from(seconds).unwrap_or_default()));
    }
    if !right {
        let in_a_row = before.map_or(0, |wrong| wrong.in_a_row) + 1;
        guests::set_wrong(conn, id, Wrong { in_a_row, last_at: now }).await?;
        return Ok(Claim::WrongCode);
    }
    guests::set_owner(conn, &order, owner, CUSTOMER).await?;
    guests::forget_wrong(conn, id).await?;
    metrics::counter!("orders_claimed_total").increment(1);
    Ok(Claim::Theirs)
}
