//! The products of the shop, made before anything is broken.

use crate::error::ChaosError;
use crate::history::Product;
use crate::operations::{PRODUCTS, SCARCE};
use crate::stage::Stage;
use serde::Deserialize;
use serde_json::{Number, json};
use verify::VerifyError;

/// Stock of a product that does not run out.
const PLENTY: i64 = 1_000_000;

/// Stock of a product that does, at once.
const FEW: i64 = 10;

#[derive(Deserialize)]
struct Created {
    id: i64,
}

/// Makes the products; the first [`SCARCE`] are scarce. Prices have odd cents, so that sums show every mistake.
pub async fn fill(stage: &Stage) -> Result<Vec<Product>, ChaosError> {
    let url = format!("{}/api/inventory/products", stage.inventory[0].base);
    let mut products = Vec::new();
    for number in 0..PRODUCTS {
        let stock = if number < SCARCE { FEW } else { PLENTY };
        let (sku, name) = (format!("CHAOS-{number:02}"), format!("Thing number {number}"));
        let price = format!("{}.{:02}", 3 + 17 * number, (37 * number + 1) % 100).parse::<Number>();
        let unexpected = |what: String| VerifyError::Unexpected { url: url.clone(), what };
        let price = price.map_err(|error| unexpected(error.to_string()))?;
        let body = json!({"sku": sku, "name": name, "price": price, "stockQuantity": stock});
        let request = stage.http().post(&url).header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.map_err(|error| unexpected(error.to_string()))?;
        let text = answer.text().await.map_err(|error| unexpected(error.to_string()))?;
        let created: Created = serde_json::from_str(&text).map_err(|error| unexpected(format!("{error}: {text}")))?;
        products.push(Product { id: created.id, stock });
    }
    Ok(products)
}
