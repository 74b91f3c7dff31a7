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
    NotAllowed { "409": "the life of an order does not allow it, or it is not placed yet or has to be paid first (`payment-required`)" }
    /// The order gets no payment.
    NotToBePaid {
        "409": "the order is paid (`already-paid`), a payment by another method is under way (`payment-open`) or under review, or the life of the order does not allow it"
    }
    /// The money of a payment cannot be moved.
    MoneyStays {
        "409": "the payment does not allow it (`invalid-transition`), is under review or paid already, or not so much can be given back (`refund-exceeds-payment`)"
    }
    /// A finding of which somebody has said before what was done.
    AlreadyResolved { "409": "it is resolved already (`already-resolved`)" }
    /// A webhook that is not the provider's.
    NotSigned {
        "401": "the signature is missing, wrong or too old"
    }
    /// What cannot be placed.
    UnknownProductOrKeyReused {
        "422": "a product is unknown or not active, or the Idempotency-Key was used with another body"
    }
}
