//! EDGE: why a message stands where it stands.

use crate::notifications::commands;
use crate::notifications::domain::Status;
use crate::notifications::domain::log::Notification;
use crate::notifications::error::Error;
use crate::notifications::explain::{self, ExplainedNotification, Facts};
use crate::notifications::state::Notifications;
use crate::notifications::store;
use axum::Json;
use axum::extract::State;
use service_kit::documented::{Invalid, NotFound, ReadAfter, Unavailable};
use service_kit::extract::Path;
use service_kit::reading::{ReadConnection, Reader};
use std::sync::Arc;
use time::OffsetDateTime;

/// Why a message stands where it stands, what it waits for, and what happens next
///
/// A message that is not there yet is explained by its order: what tells of it may have been set aside. When a message failed
/// is not written down; `since` is then when it was written, or sent in vain.
#[utoipa::path(get, path = "/api/notifications/{id}/explain", tag = "notifications",
    params(("id" = i64, Path, description = "Number of the message", example = 1), ReadAfter),
    responses(
        (status = 200, description = "Why", body = ExplainedNotification),
        Invalid, NotFound, Unavailable))]
pub async fn explain_notification(
    State(app): State<Arc<Notifications>>,
    reader: Reader,
    Path(id): Path<i64>,
) -> Result<Json<ExplainedNotification>, Error> {
    let read = |mut conn: ReadConnection| async move {
        let Some(entry) = store::find(&mut *conn, id).await? else { return Ok(None) };
        let about_order = match entry.notification.order_id.filter(|_| entry.notification.status == Status::Queued) {
            Some(order) => store::of_order(&mut *conn, order).await?,
            None => Vec::new(),
        };
        Ok::<_, sqlx::Error>(Some((entry, about_order)))
    };
    let (entry, about_order) = app.db.read(&reader, read).await?.ok_or(Error::UnknownNotification(id))?;
    let can_resend = commands::can_resend(&app.outbound.ways, &entry).is_ok();
    let (notification, traceparent) = (entry.notification, entry.traceparent);
    let waits_before = |it: &Notification| {
        it.status == Status::Queued && it.channel == notification.channel && it.event_id < notification.event_id
    };
    let (provider, circuit) = app.outbound.provider(notification.channel);
    Ok(Json(explain::explain(&Facts {
        before: about_order.into_iter().filter(waits_before).min_by_key(|it| it.event_id),
        missing: app.outbound.ways.missing(notification.channel),
        most_attempts: app.delays.count() + 1,
        now: OffsetDateTime::now_utc(),
        notification,
        traceparent,
        provider,
        circuit,
        can_resend,
    })))
}
