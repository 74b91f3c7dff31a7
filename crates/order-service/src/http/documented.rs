//! Headers and problems that only this service answers with, for the OpenAPI document.

use service_kit::documented_problems;
use utoipa::IntoParams;

/// A call that can be answered before its work is done.
#[derive(IntoParams, Debug)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "read by the derive only")]
pub struct Preferring {
    /// `respond-async` (RFC 7240): answer 202 at once and place the order afterwards.
    #[param(rename = "Prefer")]
    pub prefer: Option<String>,
}

documented_problems! {
    /// The state machine says no.
    NotAllowed { "409": "the life of an order does not allow it, or the order is not placed yet" }
    /// A message that cannot be sent again.
    CannotResend { "409": "it waits already, was erased, or there is no way or nobody to send it to" }
    /// Reports that nobody may send.
    WithoutSecret {
        "401": "the secret in `X-Webhook-Secret` is missing or wrong",
        "404": "reports are not taken here: BREVO_WEBHOOK_SECRET is not set"
    }
    /// What cannot be placed.
    UnknownProductOrKeyReused {
        "422": "a product is unknown or not active, or the Idempotency-Key was used with another body"
    }
}
