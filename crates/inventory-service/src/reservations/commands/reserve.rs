//! Holds stock.

use crate::products;
use crate::reservations::domain::holds::{Hold, HoldDecision, HoldPlan, LockedProducts, Refusal, decide};
use crate::reservations::domain::requests::Wanted;
use crate::reservations::error::Error;
use crate::reservations::store::{self, Term};
use crate::schema::OUTBOX;
use service_kit::outbox::Event;
use shared_types::reservations::{Reservation, ReservationStatus};
use shared_types::{ProductId, Reference};
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use time::OffsetDateTime;

/// What became of a request to hold stock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HoldOutcome {
    /// The stock is held now.
    Held(Reservation),
    /// It was held before, for the same request.
    Repeated(Reservation),
    /// It is not held, and nothing was written.
    Refused(Refusal),
}

impl HoldOutcome {
    /// The products whose stock it took.
    pub fn taken(&self) -> impl Iterator<Item = ProductId> {
        let held = match self {
            Self::Held(reservation) => Some(reservation),
            Self::Repeated(_) | Self::Refused(_) => None,
        };
        held.into_iter().flat_map(Reservation::products)
    }
}

/// Whether reservations may be there already that carry the reference of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duplicates {
    /// Hardly: not looked for where all can be held. If there is one all the same, it comes to
    /// [`Error::DuplicateRequest`].
    Unlikely,
    /// They are looked for.
    Likely,
}

/// Holds stock for each request, all lines or none, in the order they came; `window` is how long an order may take.
///
/// One outcome for each request. The number of statements is the same for one request and for hundreds.
pub async fn reserve(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    window: Duration,
    wanted: &[Wanted],
    duplicates: Duplicates,
) -> Result<Vec<HoldOutcome>, Error> {
    let ids: BTreeSet<ProductId> = wanted.iter().flat_map(|w| w.lines()).map(|line| line.product_id).collect();
    let locked = products::lock(conn, &ids.into_iter().collect::<Vec<_>>()).await?;
    let mut products: LockedProducts = locked.into_iter().map(|product| (product.id, product)).collect();
    let mut plan = decide(&mut products.clone(), &[], wanted);
    let mut existing = Vec::new();
    if duplicates == Duplicates::Likely || plan.refuses() {
        // Looked up once the products are locked: a duplicate request that held them meanwhile has committed by now.
        let ids: BTreeSet<Reference> = wanted.iter().map(Wanted::id).collect();
        existing = store::find(&mut *conn, &ids.into_iter().collect::<Vec<_>>()).await?;
        plan = decide(&mut products, &existing, wanted);
    }
    let held = write(conn, now, window, &plan).await?;
    let known: HashMap<Reference, Reservation> = existing.into_iter().chain(held).map(|r| (r.id, r)).collect();
    plan.decisions
        .into_iter()
        .zip(wanted)
        .map(|(decision, request)| {
            let found = || known.get(&request.id()).cloned().ok_or(Error::DuplicateRequest);
            match decision {
                HoldDecision::Held => Ok(HoldOutcome::Held(found()?)),
                HoldDecision::Repeated => Ok(HoldOutcome::Repeated(found()?)),
                HoldDecision::Refused(refusal) => Ok(HoldOutcome::Refused(refusal)),
            }
        })
        .collect()
}

async fn write(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    window: Duration,
    plan: &HoldPlan,
) -> Result<Vec<Reservation>, Error> {
    if plan.holds.is_empty() {
        return Ok(Vec::new());
    }
    let terms = hold(conn, window, plan).await?;
    let low = plan.low.iter().map(|low| Ok(Event::new(&low.event)?.caused_by(low.traceparent.clone())));
    OUTBOX.enqueue(conn, now, &low.collect::<Result<Vec<_>, Error>>()?).await?;
    let reservation = |hold: &Hold| {
        let term = terms.get(&hold.id).ok_or(Error::DuplicateRequest)?;
        Ok(Reservation {
            id: hold.id,
            status: ReservationStatus::Held,
            items: hold.lines.clone(),
            created_at: term.created_at,
            expires_at: term.expires_at,
            direct: false,
        })
    };
    plan.holds.iter().map(reservation).collect()
}

/// Sets the reservations to HELD, new ones and released ones, and takes their stock.
async fn hold(conn: &mut PgConnection, window: Duration, plan: &HoldPlan) -> Result<HashMap<Reference, Term>, Error> {
    let (anew, new): (Vec<&Hold>, Vec<&Hold>) = plan.holds.iter().partition(|hold| hold.anew);
    let mut terms = store::hold(conn, window, &new, &plan.movements).await?;
    if !anew.is_empty() {
        let ids: Vec<Reference> = anew.iter().map(|hold| hold.id).collect();
        store::lock_without_waiting(conn, &ids).await?;
        terms.extend(store::hold_anew(conn, window, &anew).await?);
    }
    Ok(terms)
}
