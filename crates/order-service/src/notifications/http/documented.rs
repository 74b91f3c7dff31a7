//! Problems that only calls about notifications answer with, for the OpenAPI document.

use service_kit::documented_problems;

documented_problems! {
    /// A message that cannot be sent again.
    CannotResend { "409": "it waits already, was erased, or there is no way or nobody to send it to" }
    /// Reports that nobody may send.
    WithoutSecret {
        "401": "the secret in `X-Webhook-Secret` is missing or wrong",
        "404": "reports are not taken here: BREVO_WEBHOOK_SECRET is not set"
    }
}
