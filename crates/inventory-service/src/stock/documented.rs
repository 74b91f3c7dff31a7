//! What calls answer where there is too little stock, for the OpenAPI document.

use service_kit::documented_problems;

documented_problems! {
    /// Too little stock.
    InsufficientStock { "409": "there is too little stock; `items` says of what" with "ShortStock" }
}
