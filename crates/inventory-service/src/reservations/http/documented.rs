//! Problems that only these calls answer with, for the OpenAPI document.

use service_kit::documented_problems;

documented_problems! {
    /// A reservation's life does not allow it.
    AlreadyOther { "409": "the reservation is already the other" }
    /// What cannot be reserved.
    Unprocessable { "422": "a product is unknown or not active, or the id or the Idempotency-Key has other items" }
}
