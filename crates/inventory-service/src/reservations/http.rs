//! EDGE: the calls about reservations; those that hold stock meet in batches.

mod batch;
mod documented;

use self::documented::{AlreadyOther, Unprocessable};
use super::commands::{self, HoldOutcome, change, moved_by_change};
use super::domain::changes::{Action, Change};
use super::domain::requests::{LineBody, ReservationBody};
use super::error::Error;
use super::state::Reservations;
use super::store;
use crate::schema::IDEMPOTENCY;
use crate::stock::InsufficientStock;
use axum::extract::{FromRef, State};
use axum::response::Response;
use serde::Deserialize;
use service_kit::answer::Answer;
use service_kit::documented::{Invalid, InvalidBody, Keyed, NotFound, PagedByUuid, Unavailable};
use service_kit::extract::{Json, Path, Query};
use service_kit::idempotency::IdempotencyKey;
use service_kit::pagination::Page;
use service_kit::telemetry::current_traceparent;
use service_kit::validation::FieldErrors;
use shared_types::Reference;
use shared_types::reservations::{Reservation, ReservationStatus};
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// The calls about reservations.
pub fn routes<S>() -> OpenApiRouter<S>
where
    Arc<Reservations>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new()
        .routes(routes!(reserve_stock))
        .routes(routes!(list_reservations, create_reservation))
        .routes(routes!(batch::create_reservations))
        .routes(routes!(get_reservation))
        .routes(routes!(commit_reservation))
        .routes(routes!(release_reservation))
}

fn location(reservation: &Reservation) -> String {
    format!("/api/inventory/reservations/{}", reservation.id)
}

/// Holds stock for an order, all lines or none.
///
/// Asking again with the same id and items gives the same reservation, and holds the stock once; a released one is
/// held anew. The id makes the call safe to repeat, an `Idempotency-Key` adds nothing to it.
#[utoipa::path(post, path = "/api/inventory/reservations", tag = "reservations", params(Keyed),
    request_body = ReservationBody,
    responses(
        (status = 201, description = "The stock is held, until `expiresAt` for an order to exist", body = Reservation, headers(("Location" = String, description = "Path of the reservation"))),
        (status = 200, description = "It was held before", body = Reservation),
        InvalidBody, InsufficientStock, Unprocessable, Unavailable))]
pub async fn create_reservation(
    State(reservations): State<Arc<Reservations>>,
    _key: IdempotencyKey,
    Json(body): Json<ReservationBody>,
) -> Result<Answer, Error> {
    let wanted = body.parse()?.caused_by(current_traceparent());
    match reservations.holding.submit(wanted).await? {
        HoldOutcome::Held(reservation) => Ok(Answer::created(location(&reservation), &reservation)?),
        HoldOutcome::Repeated(reservation) => Ok(Answer::ok(&reservation)?),
        HoldOutcome::Refused(refusal) => Err(refusal.into()),
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
    pub held_before: Option<String>,
}

type ReservationFilter = (Option<ReservationStatus>, Option<OffsetDateTime>);

impl ReservationQuery {
    fn parse(self) -> Result<ReservationFilter, FieldErrors> {
        let mut errors = FieldErrors::default();
        let status = self.status.and_then(|text| text.parse().map_err(|error| errors.add("status", error)).ok());
        let held_before = errors.time("heldBefore", self.held_before);
        if held_before.is_some() && status.is_some_and(|status| status != ReservationStatus::Held) {
            errors.add("heldBefore", "goes with the status HELD only");
        }
        errors.into_result((status, held_before))
    }
}

/// The reservations, by id.
#[utoipa::path(get, path = "/api/inventory/reservations", tag = "reservations", params(ReservationQuery, PagedByUuid),
    responses(
        (status = 200, description = "A page; `Link` names the next", body = [Reservation], headers(("Link" = String, description = "The next page, rel=\"next\""))),
        Invalid, Unavailable))]
pub async fn list_reservations(
    State(reservations): State<Arc<Reservations>>,
    Query(query): Query<ReservationQuery>,
    page: Page<Uuid>,
) -> Result<Response, Error> {
    let (db, limit) = (reservations.db.pool(), page.fetch());
    let found = match query.parse()? {
        (Some(ReservationStatus::Held), before) | (None, before @ Some(_)) => {
            store::list_held(db, before, page.after, limit).await?
        }
        (status, _) => store::list(db, status, page.after, limit).await?,
    };
    Ok(page.answer(found, |reservation| reservation.id))
}

/// Commits a reservation: its stock is the order's; once more changes nothing.
#[utoipa::path(post, path = "/api/inventory/reservations/{id}/commit", tag = "reservations",
    params(("id" = Reference, Path, description = "Reference of the order"), Keyed),
    responses(
        (status = 200, description = "The committed reservation", body = Reservation),
        Invalid, NotFound, AlreadyOther, Unavailable))]
pub async fn commit_reservation(
    State(reservations): State<Arc<Reservations>>,
    Path(id): Path<Reference>,
    _key: IdempotencyKey,
) -> Result<Answer, Error> {
    change_one(&reservations, id, Action::Commit).await
}

/// Releases a reservation that is held: its stock goes back; once more changes nothing.
///
/// An order that was placed with this stock is cancelled, and its customer and the shop are told.
#[utoipa::path(post, path = "/api/inventory/reservations/{id}/release", tag = "reservations",
    params(("id" = Reference, Path, description = "Reference of the order"), Keyed),
    responses(
        (status = 200, description = "The released reservation", body = Reservation),
        Invalid, NotFound, AlreadyOther, Unavailable))]
pub async fn release_reservation(
    State(reservations): State<Arc<Reservations>>,
    Path(id): Path<Reference>,
    _key: IdempotencyKey,
) -> Result<Answer, Error> {
    change_one(&reservations, id, Action::Release).await
}

async fn change_one(reservations: &Reservations, id: Reference, action: Action) -> Result<Answer, Error> {
    let mut transaction = reservations.db.begin().await?;
    let outcome = change(&mut transaction, OffsetDateTime::now_utc(), &[change_of(id, action)]).await?.pop();
    let reservation = outcome.ok_or(Error::UnknownReservation(id))??;
    reservations.db.commit(transaction).await?;
    reservations.products.changed(moved_by_change(&reservation));
    Ok(Answer::ok(&reservation)?)
}

fn change_of(reference: Reference, action: Action) -> Change {
    Change { reference, action, traceparent: current_traceparent() }
}
