//! EDGE: what is known of the stock of an order, for those who ask why the order stands still.

use crate::reservations::error::Error;
use crate::reservations::state::Reservations;
use crate::reservations::store;
use crate::schema::{OUTBOX, SCHEMA};
use axum::Json;
use axum::extract::State;
use service_kit::admin::Admin;
use service_kit::dead_letters::{DeadLetter, DeadLetters};
use service_kit::documented::{Invalid, ReadAfter, Unavailable};
use service_kit::extract::Path;
use service_kit::reading::{ReadConnection, Reader};
use shared_types::Reference;
use shared_types::reservations::{LetterTrace, ReservationTrace, StockTrace};
use std::sync::Arc;

/// What is known of the stock of an order
///
/// There is an answer also where there is no reservation: a message about it may have been set aside.
#[utoipa::path(get, path = "/api/inventory/reservations/{id}/explain", tag = "reservations",
    params(("id" = Reference, Path, description = "Reference of the order"), ReadAfter),
    responses((status = 200, description = "What is known", body = StockTrace), Invalid, Unavailable))]
pub async fn explain_reservation(
    State(reservations): State<Arc<Reservations>>,
    State(admin): State<Admin>,
    reader: Reader,
    Path(id): Path<Reference>,
) -> Result<Json<StockTrace>, Error> {
    let read = |mut conn: ReadConnection| async move {
        let reservation = store::find(&mut *conn, &[id]).await?.pop();
        let letters = DeadLetters(SCHEMA).waiting_about(&mut *conn, &id.to_string()).await?;
        Ok::<_, sqlx::Error>((reservation, letters, OUTBOX.oldest(&mut *conn).await?))
    };
    let (reservation, letters, oldest_message) = reservations.db.read(&reader, read).await?;
    let letter = |letter: DeadLetter| LetterTrace {
        traceparent: letter.traceparent(),
        id: letter.id,
        consumer: letter.consumer,
        event_type: letter.event_type,
        event_id: letter.event_id,
        reason: letter.reason,
        dead_lettered_at: letter.dead_lettered_at,
    };
    Ok(Json(StockTrace {
        reservation: reservation.map(|it| ReservationTrace {
            status: it.status,
            created_at: it.created_at,
            expires_at: it.expires_at,
        }),
        letters: letters.into_iter().map(letter).collect(),
        oldest_message,
        broker: admin.broker.status().err(),
    }))
}
