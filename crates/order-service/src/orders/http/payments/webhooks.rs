//! EDGE: what providers tell of payments. They are believed that something happened, and looked at for what.

use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::payments::{self, Told, Unheard};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use service_kit::documented::{InvalidBody, NotFound, Unavailable};
use service_kit::fault::Fault;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Whether something is new.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Heard {
    /// Whether a payment is looked at because of it.
    #[schema(example = true)]
    looks: bool,
}

/// Takes what Stripe tells of a payment. The payment is looked at; of the body, only the names count
///
/// Signed by one of `STRIPE_WEBHOOK_SECRETS`, at most five minutes ago. What is about nothing here is taken, too, and what
/// comes again changes nothing.
#[utoipa::path(post, path = "/api/payments/webhooks/stripe", tag = "payments",
    params(("Stripe-Signature" = String, Header, description = "`t=…,v1=…`")),
    request_body(content = Object, description = "An event, as Stripe writes it"),
    extensions(("x-passes-over-unknown" = json!(true))),
    responses(
        (status = 200, description = "Heard", body = Heard),
        super::super::documented::NotSigned, InvalidBody, NotFound, Unavailable))]
pub async fn take_stripe_event(
    State(orders): State<Arc<Orders>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<axum::Json<Heard>, Error> {
    hear(&orders, "stripe", orders.payments.webhooks.stripe(&headers, &body, OffsetDateTime::now_utc())).await
}

/// Takes what Razorpay tells of a payment. The payment is looked at; of the body, only the names count
///
/// Signed by one of `RAZORPAY_WEBHOOK_SECRETS`. What is about nothing here is taken, too, and what comes again changes nothing.
#[utoipa::path(post, path = "/api/payments/webhooks/razorpay", tag = "payments",
    params(("X-Razorpay-Signature" = String, Header, description = "In hexadecimal digits")),
    request_body(content = Object, description = "An event, as Razorpay writes it"),
    extensions(("x-passes-over-unknown" = json!(true))),
    responses(
        (status = 200, description = "Heard", body = Heard),
        super::super::documented::NotSigned, InvalidBody, NotFound, Unavailable))]
pub async fn take_razorpay_event(
    State(orders): State<Arc<Orders>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<axum::Json<Heard>, Error> {
    hear(&orders, "razorpay", orders.payments.webhooks.razorpay(&headers, &body)).await
}

/// Notes that something was told, in one short transaction, and has its payment looked at.
async fn hear(
    orders: &Orders,
    provider: &'static str,
    told: Result<Told, Unheard>,
) -> Result<axum::Json<Heard>, Error> {
    let count = |outcome: &'static str| {
        metrics::counter!("payment_webhooks_total", "provider" => provider, "outcome" => outcome).increment(1);
    };
    let told = match told {
        Ok(told) => told,
        Err(why) => {
            count("refused");
            return Err(match why {
                Unheard::Disabled => payments::Error::WebhookDisabled.into(),
                Unheard::Unsigned => payments::Error::Unsigned.into(),
                Unheard::Unreadable => Error::from(Fault::from(service_kit::validation::FieldErrors::one(
                    "body",
                    "is no event of this provider's for this shop",
                ))),
            });
        }
    };
    let mut transaction = orders.db.begin().await?;
    let about = payments::by_name(&mut transaction, told.provider, told.provider_id.as_deref(), told.reference).await?;
    let is_new = payments::insert_event(&mut transaction, &told, about.map(|(payment, _)| payment)).await?;
    let looks = match about {
        Some((payment, order)) if is_new => {
            payments::queue::hint(&mut transaction, payment, order).await?;
            if let Some(dispute) = &told.dispute {
                payments::note_dispute(&mut transaction, order, payment, dispute).await?;
            }
            true
        }
        _ => false,
    };
    orders.db.commit(transaction).await?;
    if looks {
        orders.payments.woken.notify_one();
    }
    count(if looks {
        "heard"
    } else if is_new {
        "about_nothing"
    } else {
        "repeated"
    });
    Ok(axum::Json(Heard { looks }))
}
