//! EDGE: the notification log: look and send again.

mod documented;
mod explain;
mod webhooks;

use self::documented::CannotResend;
use crate::notifications::codes;
use crate::notifications::commands as command;
use crate::notifications::domain::code::Code;
use crate::notifications::domain::log::{Notification, NotificationWithText, code_id, facts};
use crate::notifications::domain::texts::Texts;
use crate::notifications::domain::{Channel, Status};
use crate::notifications::error::Error;
use crate::notifications::state::Notifications;
use crate::notifications::store::{self, Entry};
use crate::schema::IDEMPOTENCY;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use service_kit::access::{Access, Guarded};
use service_kit::answer::{Answer, check_if_match};
use service_kit::documented::{
    Changed, IfMatch, IfNoneMatch, Invalid, KeyReused, Keyed, NotFound, Paged, ReadAfter, Unavailable,
};
use service_kit::extract::Path;
use service_kit::idempotency::IdempotencyKey;
use service_kit::pagination::Filtered;
use service_kit::problem::Problem;
use service_kit::reading::{ReadConnection, Reader};
use service_kit::validation::FieldErrors;
use sqlx::PgConnection;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::routes;

/// A mail is shown as it is, but nothing in it can run, load or send anything.
const PAGE_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'; sandbox",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// The calls about notifications.
pub fn routes<S>() -> Guarded<S>
where
    Arc<Notifications>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Guarded::new()
        .add(Access::OPERATORS, routes!(list_notifications))
        .add(Access::OPERATORS, routes!(get_notification))
        .add(Access::OPERATORS, routes!(get_notification_html))
        .add(Access::OPERATORS, routes!(explain::explain_notification))
        .add(Access::OPERATORS, routes!(resend_notification))
        // Brevo proves itself by its secret.
        .add(Access::PUBLIC, routes!(webhooks::take_brevo_reports))
}

/// Filter of the log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogFilter {
    /// Only messages that have come to this status.
    #[param(value_type = Option<Status>)]
    status: Option<String>,
}

/// The notification log, newest first.
#[utoipa::path(get, path = "/api/notifications", tag = "notifications",
    params(LogFilter, Paged, ReadAfter),
    responses(
        (status = 200, description = "A page of messages without their texts; `Link` names the next", body = [Notification], headers(("Link" = String, description = "The next page, rel=\"next\""))),
        Invalid, Unavailable))]
pub async fn list_notifications(
    State(app): State<Arc<Notifications>>,
    reader: Reader,
    listed: Filtered<LogFilter>,
) -> Result<Response, Error> {
    let (page, status) = listed.checked(|filter| {
        let status = filter.status.map(|text| text.parse::<Status>()).transpose();
        status.map_err(|error| FieldErrors::one("status", error))
    })?;
    let (after, limit) = (page.after, page.fetch());
    let read = |mut conn: ReadConnection| async move {
        match status {
            Some(status) => store::list_by_status(&mut *conn, status, after, limit).await,
            None => store::list(&mut *conn, after, limit).await,
        }
    };
    let found = app.db.read(&reader, read).await?;
    Ok(page.answer(found, |notification| notification.id))
}

/// One message with its text: as it was sent, or, where it was not, as it would be sent now.
///
/// Dots stand in the place of a code. With `ACCESS=local`, where this log is the only mailbox, the code shows while it is
/// good.
#[utoipa::path(get, path = "/api/notifications/{id}", tag = "notifications",
    params(("id" = i64, Path, description = "Number of the message", example = 1), IfNoneMatch),
    responses(
        (status = 200, description = "The message", body = NotificationWithText, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has this version"),
        Invalid, NotFound, Unavailable))]
pub async fn get_notification(
    State(app): State<Arc<Notifications>>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let entry = store::find(app.db.pool(), id).await?.ok_or(Error::UnknownNotification(id))?;
    let as_sent = entry.texts.text.is_some();
    let Texts { subject, text, .. } = texts(&app, &entry).await;
    let notification = entry.notification;
    let version = notification.version;
    let answer = Answer::ok(&NotificationWithText { notification, subject, text })?.with_version(version);
    // A text that is made anew each time follows the templates, whose changes this version does not count.
    Ok(if as_sent { answer.unless_known(&headers) } else { answer.into_response() })
}

/// An e-mail as it looks, for a browser. Nothing in the page can run or be loaded.
#[utoipa::path(get, path = "/api/notifications/{id}/html", tag = "notifications",
    params(("id" = i64, Path, description = "Number of the message", example = 1)),
    responses(
        (status = 200, description = "The e-mail", body = String, content_type = "text/html", headers(("Content-Security-Policy" = String, description = "Lets the page show itself and nothing else"))),
        Invalid, NotFound, Unavailable))]
pub async fn get_notification_html(
    State(app): State<Arc<Notifications>>,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let entry = store::find(app.db.pool(), id).await?.ok_or(Error::UnknownNotification(id))?;
    if entry.notification.channel == Channel::Sms {
        return Err(Problem::not_found(format!("an HTML text of notification {id}, which is an SMS,")).into());
    }
    let html = texts(&app, &entry).await.html;
    let html = html.ok_or_else(|| Problem::not_found(format!("the text of notification {id}")))?;
    Ok((PAGE_HEADERS, Html(html)).into_response())
}

/// The texts as they were sent or would be sent now; none where they were erased or cannot be made. A code shows where
/// this log is the only mailbox.
async fn texts(app: &Notifications, entry: &Entry) -> Texts {
    let Entry { notification, kept, texts, .. } = entry;
    if texts.text.is_some() || notification.erased_at.is_some() {
        return texts.clone();
    }
    let Some(mut facts) = facts(notification.kind, kept) else { return Texts::default() };
    if let Ok(Some(link)) = app.link(notification.channel, &facts).await {
        facts = facts.with_link(link.url);
        if app.shows_codes {
            facts = facts.with_code(Code::new(link.code));
        }
    }
    if let Some(id) = code_id(notification.kind, kept).filter(|_| app.shows_codes)
        && let Ok(code) = codes::take(&app.accounts, id).await
    {
        facts = facts.with_code(code);
    }
    app.outbound.texts(notification.channel, notification.kind, &facts).unwrap_or_else(|error| {
        tracing::warn!(%error, "a message has no text");
        Texts::default()
    })
}

/// Queues a message again, whatever became of it: as a new message with new attempts and a Message-ID of its own.
#[utoipa::path(post, path = "/api/notifications/{id}/resend", tag = "notifications",
    params(("id" = i64, Path, description = "Number of the message", example = 1), Keyed, IfMatch),
    responses(
        (status = 202, description = "It is queued", body = Notification, headers(("Location" = String, description = "Where it can be seen what becomes of it"), ("ETag" = String, description = "Its version"))),
        Invalid, NotFound, CannotResend, Changed, KeyReused, Unavailable))]
pub async fn resend_notification(
    State(app): State<Arc<Notifications>>,
    Path(id): Path<i64>,
    key: IdempotencyKey,
    headers: HeaderMap,
) -> Result<Answer, Error> {
    let resend = async |conn: &mut PgConnection| {
        let entry = command::lock(conn, id).await?;
        check_if_match(&headers, entry.notification.version)?;
        let queued = command::resend(conn, &app.outbound.ways, &entry).await?;
        let answer = Answer::accepted(Some(format!("/api/notifications/{id}")), &queued)?.with_version(queued.version);
        Ok::<_, Error>((answer, queued.channel))
    };
    IDEMPOTENCY.once(&app.db, &key, &(), resend, |channel| app.wake.up([channel])).await
}
