//! EDGE: many reservations whose term is over, in one call and one transaction.

use crate::reservations::commands::{change, moved_by_change};
use crate::reservations::domain::settling::changes_of;
use crate::reservations::error::Error;
use crate::reservations::state::Reservations;
use axum::extract::State;
use serde::Deserialize;
use service_kit::body::{Body, Unknown};
use service_kit::documented::{InvalidBody, Unavailable};
use service_kit::extract::Json;
use service_kit::telemetry::current_traceparent;
use shared_types::reservations::{Settled, Settlement};
use std::sync::Arc;
use time::OffsetDateTime;

/// Order-service calls this, and may be of a newer build.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct SettleBody(Settlement);

impl Body for SettleBody {
    const UNKNOWN: Unknown = Unknown::PassedOver;
}

/// Commits and releases many reservations at once; order-service calls it for those whose term is over.
///
/// Names those that are as asked now. One that is the other already, or unknown, is left out and stays as it is.
#[utoipa::path(post, path = "/api/inventory/reservations/settle", tag = "reservations", request_body = Settlement,
    extensions(("x-passes-over-unknown" = json!(true))),
    responses(
        (status = 200, description = "Those that are as asked", body = Settled),
        InvalidBody, Unavailable))]
pub async fn settle_reservations(
    State(reservations): State<Arc<Reservations>>,
    Json(SettleBody(settlement)): Json<SettleBody>,
) -> Result<axum::Json<Settled>, Error> {
    let changes = changes_of(&settlement, current_traceparent().as_deref())?;
    let mut transaction = reservations.db.begin().await?;
    let outcomes = change(&mut transaction, OffsetDateTime::now_utc(), &changes).await?;
    reservations.db.commit(transaction).await?;
    let (mut settled, mut moved) = (Vec::with_capacity(outcomes.len()), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(reservation) => {
                moved.extend(moved_by_change(&reservation));
                settled.push(reservation.id);
            }
            Err(error) => tracing::debug!(%error, "is not settled as asked"),
        }
    }
    reservations.products.changed(moved);
    Ok(axum::Json(Settled { settled }))
}
