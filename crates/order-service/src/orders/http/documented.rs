//! Headers and problems that only calls about orders have, for the OpenAPI document.

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
    /// Too little stock, or other prices.
    CannotBeSold {
        "409": "there is too little stock (`insufficient-stock`), or the prices are not the expected ones (`total-changed`)"
            with "Unsellable"
    }
    /// The state machine says no.
    NotAllowed { "409": "the life of an order does not allow it, or the order is not placed yet" }
    /// What cannot be placed.
    UnknownProductOrKeyReused {
        "422": "a product is unknown or not active, or the Idempotency-Key was used with another body"
    }
}
