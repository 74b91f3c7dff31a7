//! EDGE: the calls about reservations; those that hold stock meet in batches.

mod batch;
mod documented;
mod explain;
mod settle;

use self::documented::{AlreadyOther, Unprocessable};
use super::commands::{self, Duplicates, HoldOutcome, change, moved_by_change};
use super::domain::ages::{ByAge, PlaceInList};
use super::domain::changes::{Action, Change};
use super::domain::requests::{LineBody, ReservationBody};
use super::error::Error;
use super::holding;
use super::state::Reservations;
use super::store;
use crate::schema::IDEMPOTENCY;
use crate::stock::InsufficientStock;
use axum::extract::{FromRef, State};
use axum::response::Response;
use serde::Deserialize;
use service_kit::access::{Access, Guarded};
use service_kit::admin::Admin;
use service_kit::answer::Answer;
use service_kit::documented::{Invalid, InvalidBody, KeyReused, Keyed, NotFound, PagedByTime, Unavailable};
use service_kit::extract::{Json, Path, PlusKept};
use service_kit::idempotency::IdempotencyKey;
use service_kit::pagination::Filtered;
use service_kit::telemetry::current_traceparent;
use service_kit::validation::FieldErrors;
use shared_types::Reference;
use shared_types::reservations::{Reservation, ReservationStatus};
use sqlx::PgConnection;
use std::borrow::Cow;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

/// The service that reserves stock for its orders.
const ORDER_SERVICE: &[Cow<'static, str>] = &[Cow::Borrowed("order-service")];

/// The calls about reservations.
pub fn routes<S>() -> Guarded<S>
where
    Arc<Reservations>: FromRef<S>,
    Admin: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    let reserve = || Access::service(ORDER_SERVICE);
    let read = || reserve().with_scope("admin:read");
    Guarded::new()
        .add(reserve(), routes!(reserve_stock))
        .add(read(), routes!(list_reservations))
        .add(reserve(), routes!(create_reservation))
        .add(reserve(), routes!(batch::create_reservations))
        .add(reserve(), routes!(settle::settle_reservations))
        .add(read(), routes!(get_reservation))
        .add(reserve(), routes!(explain::explain_reservation))
        .add(reserve(), routes!(commit_reservation))
        .add(reserve(), routes!(release_reservation))
}

fn location(reservation: &Reservation) -> String {
    format!("/api/inventory/reservations/{}", reservation.id)
}

/// Holds stock for an order, all lines or none.
///
/// Asking again with the same id and items gives the same reservation, and holds the stock once; a released one is
/// held anew. So the id makes the call safe to repeat. With an `Idempotency-Key` a repeat gets the first answer again.
#[utoipa::path(post, path = "/api/inventory/reservations", tag = "reservations", params(Keyed),
    request_body = ReservationBody,
    responses(
        (status = 201, description = "The stock is held, until `expiresAt` for an order to exist", body = Reservation, headers(("Location" = String, description = "Path of the reservation"))),
        (status = 200, description = "It was held before", body = Reservation),
        InvalidBody, InsufficientStock, Unprocessable, Unavailable))]
pub async fn create_reservation(
    State(reservations): State<Arc<Reservations>>,
    key: IdempotencyKey,
    Json(body): Json<ReservationBody>,
) -> Result<Answer, Error> {
    let wanted = body.clone().parse()?.caused_by(current_traceparent());
    if key.key.is_none() {
        return answer(&reservations.holding.submit(wanted).await?);
    }
    // A key is kept in the transaction of its effect, so this one meets no others in a batch.
    let hold = async |conn: &mut PgConnection| {
        let (now, window) = (OffsetDateTime::now_utc(), reservations.window);
        let outcome = commands::reserve(conn, now, window, &[wanted], Duplicates::Likely).await?.pop();
        let outcome = outcome.ok_or(Error::DuplicateRequest)?;
        Ok::<_, Error>((answer(&outcome)?, outcome))
    };
    let committed = |outcome: HoldOutcome| {
        reservations.products.changed(outcome.taken());
        holding::count(&outcome);
    };
    IDEMPOTENCY.once(&reservations.db, &key, &body, hold, committed).await
}

fn answer(outcome: &HoldOutcome) -> Result<Answer, Error> {
    match outcome {
        HoldOutcome::Held(reservation) => Ok(Answer::created(location(reservation), reservation)?),
        HoldOutcome::Repeated(reservation) => Ok(Answer::ok(reservation)?),
        HoldOutcome::Refused(refusal) => Err(refusal.clone().into()),
    }
}

/// Sells a product at once: a reservation that is committed (kept for older clients).
#[utoipa::path(post, path = "/api/inventory/reserve-stock", tag = "reservations", params(Keyed),
    request_body(content = LineBody, example = json!({"productId": 1, "quantity": 1})),
    responses(
        (status = 200, description = "The committed reservation", body = Reservation),
        InvalidBody, InsufficientStock, Unprocessable, Unavailable))]
pub async fn reserve_stock(
    State(reservations): State<Arc<Reservations>>,
    key: IdempotencyKey,
    Json(body): Json<LineBody>,
) -> Result<Answer, Error> {
    let wanted = body.clone().parse_for(Reference::random())?.caused_by(current_traceparent());
    let sell = async |conn: &mut PgConnection| {
        let sold = commands::sell(conn, OffsetDateTime::now_utc(), reservations.window, wanted).await?;
        Ok::<_, Error>((Answer::ok(&sold)?, sold))
    };
    let committed = |sold: Reservation| {
        reservations.products.changed(sold.products());
        metrics::counter!("reservations_total", "outcome" => "sold").increment(1);
    };
    IDEMPOTENCY.once(&reservations.db, &key, &body, sell, committed).await
}

/// A reservation.
#[utoipa::path(get, path = "/api/inventory/reservations/{id}", tag = "reservations",
    params(("id" = Reference, Path, description = "Reference of the order")),
    responses((status = 200, description = "The reservation", body = Reservation), Invalid, NotFound, Unavailable))]
pub async fn get_reservation(
    State(reservations): State<Arc<Reservations>>,
    Path(id): Path<Reference>,
) -> Result<axum::Json<Reservation>, Error> {
    let found = store::find(reservations.db.pool(), &[id]).await?.pop();
    found.map(axum::Json).ok_or(Error::UnknownReservation(id))
}

/// Filters of the list of reservations.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ReservationQuery {
    /// Only those of this status.
    #[param(value_type = Option<ReservationStatus>)]
    pub status: Option<String>,
    /// Only those that are HELD, and were so before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    pub held_before: Option<PlusKept>,
    /// Only those that were committed by hand, were held before this time (RFC 3339), and that no order has claimed since.
    #[param(value_type = Option<String>, format = DateTime)]
    pub unclaimed_before: Option<PlusKept>,
}

/// Which reservations are listed.
#[derive(Debug)]
enum ReservationFilter {
    Status(Option<ReservationStatus>),
    HeldBefore(OffsetDateTime),
    UnclaimedBefore(OffsetDateTime),
}

impl ReservationQuery {
    fn parse(self) -> Result<ReservationFilter, FieldErrors> {
        let mut errors = FieldErrors::default();
        let status = self.status.and_then(|text| text.parse().map_err(|error| errors.add("status", error)).ok());
        let held_before = errors.time("heldBefore", self.held_before.map(|it| it.0));
        let unclaimed_before = errors.time("unclaimedBefore", self.unclaimed_before.map(|it| it.0));
        let other = |than| status.is_some_and(|status| status != than);
        if held_before.is_some() && other(ReservationStatus::Held) {
            errors.add("heldBefore", "goes with the status HELD only");
        }
        if unclaimed_before.is_some() && (held_before.is_some() || other(ReservationStatus::Committed)) {
            errors.add("unclaimedBefore", "goes with the status COMMITTED only");
        }
        errors.into_result(match (held_before, unclaimed_before) {
            (Some(before), _) => ReservationFilter::HeldBefore(before),
            (None, Some(before)) => ReservationFilter::UnclaimedBefore(before),
            (None, None) => ReservationFilter::Status(status),
        })
    }
}

/// The reservations, by id; with heldBefore or unclaimedBefore the oldest first.
#[utoipa::path(get, path = "/api/inventory/reservations", tag = "reservations", params(ReservationQuery, PagedByTime),
    responses(
        (status = 200, description = "A page; `Link` names the next", body = [Reservation], headers(("Link" = String, description = "The next page, rel=\"next\""))),
        Invalid, Unavailable))]
pub async fn list_reservations(
    State(reservations): State<Arc<Reservations>>,
    listed: Filtered<ReservationQuery, PlaceInList>,
) -> Result<Response, Error> {
    let (page, filter) = listed.checked(ReservationQuery::parse)?;
    // At the primary: order-service decides by this list what it settles.
    let (db, limit) = (reservations.db.pool(), page.fetch());
    let by_age = |found| {
        let place = |it: &Reservation| PlaceInList::ByAge(ByAge { created_at: it.created_at, id: it.id.0 });
        Ok(page.answer(found, place))
    };
    let status = match filter {
        ReservationFilter::HeldBefore(before) => {
            return by_age(store::list_held_before(db, before, age_in(page.after)?, limit).await?);
        }
        ReservationFilter::UnclaimedBefore(before) => {
            return by_age(store::list_unclaimed_before(db, before, age_in(page.after)?, limit).await?);
        }
        ReservationFilter::Status(status) => status,
    };
    let after = id_in(page.after)?;
    let found = match status {
        Some(ReservationStatus::Held) => store::list_held(db, after, limit).await?,
        status => store::list(db, status, after, limit).await?,
    };
    Ok(page.answer(found, |reservation| PlaceInList::ById(reservation.id.0)))
}

fn age_in(cursor: Option<PlaceInList>) -> Result<Option<ByAge>, FieldErrors> {
    match cursor {
        None => Ok(None),
        Some(PlaceInList::ByAge(place)) => Ok(Some(place)),
        Some(PlaceInList::ById(_)) => Err(of_another_list()),
    }
}

fn id_in(cursor: Option<PlaceInList>) -> Result<Option<Uuid>, FieldErrors> {
    match cursor {
        None => Ok(None),
        Some(PlaceInList::ById(id)) => Ok(Some(id)),
        Some(PlaceInList::ByAge(_)) => Err(of_another_list()),
    }
}

fn of_another_list() -> FieldErrors {
    FieldErrors::one("cursor", "must be taken from a Link header")
}

/// Commits a reservation: its stock is the order's; once more changes nothing.
///
/// Orders do so by themselves. Where there is no order when `expiresAt` is over, the stock goes back all the same; to sell
/// without an order, use `reserve-stock`.
#[utoipa::path(post, path = "/api/inventory/reservations/{id}/commit", tag = "reservations",
    params(("id" = Reference, Path, description = "Reference of the order"), Keyed),
    responses(
        (status = 200, description = "The committed reservation", body = Reservation),
        Invalid, NotFound, AlreadyOther, KeyReused, Unavailable))]
pub async fn commit_reservation(
    State(reservations): State<Arc<Reservations>>,
    Path(id): Path<Reference>,
    key: IdempotencyKey,
) -> Result<Answer, Error> {
    change_one(&reservations, &key, id, Action::CommitByHand).await
}

/// Releases a reservation that is held: its stock goes back; once more changes nothing.
///
/// An order that was placed with this stock is cancelled, and its customer and the shop are told.
#[utoipa::path(post, path = "/api/inventory/reservations/{id}/release", tag = "reservations",
    params(("id" = Reference, Path, description = "Reference of the order"), Keyed),
    responses(
        (status = 200, description = "The released reservation", body = Reservation),
        Invalid, NotFound, AlreadyOther, KeyReused, Unavailable))]
pub async fn release_reservation(
    State(reservations): State<Arc<Reservations>>,
    Path(id): Path<Reference>,
    key: IdempotencyKey,
) -> Result<Answer, Error> {
    change_one(&reservations, &key, id, Action::Release).await
}

async fn change_one(
    reservations: &Reservations,
    key: &IdempotencyKey,
    id: Reference,
    action: Action,
) -> Result<Answer, Error> {
    let work = async |conn: &mut PgConnection| {
        let outcome = change(conn, OffsetDateTime::now_utc(), &[change_of(id, action)]).await?.pop();
        let reservation = outcome.ok_or(Error::UnknownReservation(id))??;
        Ok::<_, Error>((Answer::ok(&reservation)?, reservation))
    };
    let committed = |reservation: Reservation| reservations.products.changed(moved_by_change(&reservation));
    IDEMPOTENCY.once(&reservations.db, key, &(), work, committed).await
}

fn change_of(reference: Reference, action: Action) -> Change {
    Change { reference, action, traceparent: current_traceparent() }
}
