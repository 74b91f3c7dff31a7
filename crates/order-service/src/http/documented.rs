//! Problems that only this service answers with, for the OpenAPI document.

use service_kit::documented_problems;

documented_problems! {
    /// The state machine says no.
    NotAllowed { "409": "the life of an order does not allow it, or the order is not placed yet" }
    /// What cannot be placed.
    UnknownProductOrKeyReused {
        "422": "a product is unknown or not active, or the Idempotency-Key was used with another body"
    }
}
