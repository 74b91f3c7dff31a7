//! EDGE: what Brevo reports of messages that it took, as e-mail relay and as SMS gateway.

use super::documented::WithoutSecret;
use crate::notifications::commands as command;
use crate::notifications::error::Error;
use crate::notifications::state::Notifications;
use crate::notifications::store::reports::Report;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use service_kit::body::{self, Body, Unknown};
use service_kit::documented::{InvalidBody, Unavailable};
use service_kit::extract::{Json, Refused};
use service_kit::problem::Problem;
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

/// Longest name of a message, in bytes: that of a line of a mail (RFC 5322, 2.1.1).
const LONGEST_ID: usize = 998;

/// The header in which Brevo is to send the secret.
const SECRET_HEADER: &str = "x-webhook-secret";

/// A report, of an e-mail (`event` and `message-id`) or of an SMS (`msg_status` and `messageId`). Brevo sends more, which
/// is passed over.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"event": "delivered", "message-id": "<01936f5e-7c41-7d52-9c1b-0a2b3c4d5e6f.0@example.com>"}))]
pub struct BrevoReport {
    /// What happened to an e-mail.
    event: Option<String>,
    /// Its Message-ID, with or without angle brackets.
    #[serde(rename = "message-id")]
    email_id: Option<String>,
    /// What happened to an SMS.
    msg_status: Option<String>,
    /// Its number at Brevo.
    #[serde(rename = "messageId")]
    #[schema(value_type = Option<i64>)]
    sms_id: Option<SmsId>,
}

impl Body for BrevoReport {
    const UNKNOWN: Unknown = Unknown::PassedOver;
}

/// The number of an SMS, which is also sent as a text.
#[derive(Clone, Debug)]
struct SmsId(String);

impl<'de> Deserialize<'de> for SmsId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = SmsId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a text")
            }

            fn visit_i64<E>(self, id: i64) -> Result<SmsId, E> {
                Ok(SmsId(id.to_string()))
            }

            fn visit_str<E>(self, id: &str) -> Result<SmsId, E> {
                Ok(SmsId(id.to_owned()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// One report or an array of them, none read yet.
#[derive(Debug)]
pub struct Reports(Vec<Box<RawValue>>);

impl<'de> Deserialize<'de> for Reports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = Box::<RawValue>::deserialize(deserializer)?;
        match body.get().as_bytes().first() {
            Some(b'[') => serde_json::from_str(body.get()).map(Self).map_err(D::Error::custom),
            Some(b'{') => Ok(Self(vec![body])),
            _ => Err(D::Error::custom("must be a report or an array of reports")),
        }
    }
}

impl Body for Reports {}

impl BrevoReport {
    /// What is to be noted: that the message arrived, or that it never will. Anything else (opened, clicked, put off) is no
    /// step in the life of a message here.
    fn parse(self) -> Option<Report> {
        let (what, id) = match (self.event, self.email_id, self.msg_status, self.sms_id) {
            (Some(event), Some(id), _, _) => (event, id.trim_matches(['<', '>']).to_owned()),
            (_, _, Some(status), Some(SmsId(id))) => (status, id),
            _ => return None,
        };
        // No message of ours has such a name, and PostgreSQL cannot compare with every text.
        if id.is_empty() || id.len() > LONGEST_ID || id.chars().any(char::is_control) {
            return None;
        }
        // What Brevo gives as the reason may name the recipient: the kind of event is enough.
        let failure = match what.as_str() {
            "delivered" => None,
            "hard_bounce" | "blocked" | "invalid_email" | "invalid" | "error" | "rejected" => {
                Some(format!("the provider reported: {what}"))
            }
            _ => return None,
        };
        Some(Report { provider_id: id, failure })
    }
}

/// How much the reports changed.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Noted {
    /// Messages that came to another status.
    #[schema(example = 1)]
    changed: u64,
}

/// Takes Brevo's delivery reports. Those about other messages, and those that come again or late, change nothing.
///
/// Brevo sends the secret in the header `X-Webhook-Secret`, which is to be set with the webhook.
#[utoipa::path(post, path = "/api/notifications/webhooks/brevo", tag = "notifications",
    params(("X-Webhook-Secret" = String, Header, description = "The secret of BREVO_WEBHOOK_SECRET")),
    request_body(content = BrevoReport, description = "One report, or an array of them"),
    extensions(("x-passes-over-unknown" = json!(true))),
    responses(
        (status = 200, description = "Noted", body = Noted),
        WithoutSecret, InvalidBody, Unavailable))]
pub async fn take_brevo_reports(
    State(app): State<Arc<Notifications>>,
    headers: HeaderMap,
    body: Result<Json<Reports>, Refused>,
) -> Result<Response, Error> {
    authorize(app.webhook_secret.as_ref(), &headers)?;
    let Json(reports) = match body {
        Ok(reports) => reports,
        Err(refused) => return Ok(refused.into_response()),
    };
    let reports = parse(&reports);
    let mut transaction = app.db.begin().await?;
    let changed = command::report(&mut transaction, &reports).await?;
    app.db.commit(transaction).await?;
    Ok(axum::Json(Noted { changed }).into_response())
}

/// What is to be noted of a body. A report that cannot be read is about nothing that is known here, and Brevo would send
/// it again and again if it were refused.
fn parse(Reports(reports): &Reports) -> Vec<Report> {
    let read = |report| body::read_value::<BrevoReport>(report, Unknown::PassedOver).ok()?.parse();
    reports.iter().filter_map(|report| read(report)).collect()
}

/// Compared in constant time: how long it takes says nothing about how much of a guess was right.
fn authorize(secret: Option<&SecretString>, headers: &HeaderMap) -> Result<(), Error> {
    let Some(secret) = secret else {
        let detail = "reports are not taken here: set BREVO_WEBHOOK_SECRET";
        return Err(Problem::new(StatusCode::NOT_FOUND, "webhook-disabled", "Webhook disabled", detail).into());
    };
    let given = headers.get(SECRET_HEADER).map(|value| value.as_bytes()).unwrap_or_default();
    if given.ct_eq(secret.expose_secret().as_bytes()).into() {
        Ok(())
    } else {
        Err(Error::Unauthorized("the secret in X-Webhook-Secret is missing or wrong"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, authorize, parse};
    use axum::http::HeaderMap;
    use secrecy::SecretString;

    /// What comes of a body: the provider's name of the message, and whether it failed.
    fn noted(body: &str) -> Vec<(String, bool)> {
        let reports = parse(&service_kit::body::read(body.as_bytes()).unwrap());
        reports.into_iter().map(|Report { provider_id, failure }| (provider_id, failure.is_some())).collect()
    }

    #[test]
    fn reports_are_read_as_brevo_writes_them() {
        let delivered = r#"{"event": "delivered", "email": "ada@example.com", "id": 26224, "date": "2026-01-31 13:00:00",
            "ts": 1769860800, "message-id": "<a.0@example.com>", "ts_event": 1769860800, "subject": "Your order",
            "sending_ip": "192.0.2.1", "ts_epoch": 1769860800000, "tags": ["order"]}"#;
        assert_eq!(noted(delivered), [("a.0@example.com".to_owned(), false)]);
        let sms = r#"[{"id": 26570, "to": "442079460000", "sms_count": 1, "credits_used": 1.5, "messageId": 1511882900176220,
            "remaining_credit": 11488.845, "msg_status": "hard_bounce", "date": "2026-01-31 13:00:00",
            "type": "transactional", "reference": {"1": "x"}},
            {"msg_status": "sent", "messageId": 1}, {"event": "opened", "message-id": "x"}, {"event": "delivered"}, {}, 7, {"event": 7}]"#;
        assert_eq!(noted(sms), [("1511882900176220".to_owned(), true)]);
        assert_eq!(noted(r#"{"msg_status": "delivered", "messageId": "7"}"#), [("7".to_owned(), false)]);
    }

    #[test]
    fn a_report_that_cannot_be_about_a_message_of_ours_keeps_no_other_from_being_noted() {
        let ids = ["\\u0000", "a\\u0000b", "", "\\ud800", &"x".repeat(999)];
        let odd = ids.map(|id| format!(r#"{{"event": "delivered", "message-id": "{id}"}}"#));
        let sms = r#"{"msg_status": "delivered", "messageId": {"$serde_json::private::Number": "7"}}"#;
        let body = format!(r#"[{}, {sms}, [7], {{"event": "delivered", "message-id": "ok@x"}}]"#, odd.join(","));
        assert_eq!(noted(&body), [("ok@x".to_owned(), false)]);
    }

    #[test]
    fn only_who_knows_the_secret_is_let_in() {
        let secret = SecretString::from("hush");
        let with =
            |given: &str| HeaderMap::from_iter([(super::SECRET_HEADER.parse().unwrap(), given.parse().unwrap())]);
        assert!(authorize(Some(&secret), &with("hush")).is_ok());
        for given in ["", "hus", "hush!", "HUSH"] {
            assert!(authorize(Some(&secret), &with(given)).is_err(), "{given}");
        }
        assert!(authorize(Some(&secret), &HeaderMap::new()).is_err());
        assert!(authorize(None, &with("")).is_err());
    }
}
