//! Problems that only these calls answer with, for the OpenAPI document.

use service_kit::documented_problems;

documented_problems! {
    /// A SKU that is taken.
    SkuTaken { "409": "another product has this SKU" }
    /// A count that leaves too little for what is promised.
    CountedTooFew { "409": "fewer pieces were counted than are reserved for orders that were not shipped" }
    /// What PUT cannot do.
    StockLimit { "422": "more stock than can be kept, with what is reserved" }
    /// What add-stock cannot do.
    StockLimitOrKeyReused { "422": "more stock than can be kept, or the Idempotency-Key was used with another body" }
}
