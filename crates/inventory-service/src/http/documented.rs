//! Problems that only this service answers with, for the OpenAPI document.

use service_kit::documented_problems;

documented_problems! {
    /// A SKU that is taken.
    SkuTaken { "409": "another product has this SKU" }
    /// A reservation's life does not allow it.
    AlreadyOther { "409": "the reservation is already the other" }
    /// What add-stock cannot do.
    StockLimitOrKeyReused { "422": "more stock than can be kept, or the Idempotency-Key was used with another body" }
    /// What cannot be reserved.
    Unprocessable { "422": "a product is unknown or not active, or the id or the Idempotency-Key has other items" }
}
