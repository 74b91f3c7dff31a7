//! The requests that the load generators play: files with one request in each line.

use crate::error::{BenchError, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Different requests in a file; the load begins again after the last.
pub const PREPARED: usize = 4096;

/// Products with stock, from 1 upwards; see `sql/products.sql`.
pub const PRODUCTS: i64 = 1000;

/// The product that has no stock.
pub const SOLD_OUT: i64 = 1001;

/// The product that everybody wants.
pub const HOT: i64 = 1;

/// Which orders are placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Orders {
    /// Two lines of random products.
    Mixed,
    /// One line of one product.
    Of(i64),
}

/// How orders are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Plain,
    /// Each with an `Idempotency-Key` of its own.
    Keyed,
    Asynchronous,
}

impl Way {
    /// Its name in `lua/requests.lua`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Keyed => "keyed",
            Self::Asynchronous => "asynchronous",
        }
    }
}

impl Orders {
    /// Bodies for `POST /api/orders`.
    pub fn bodies(self) -> Vec<String> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut body = || {
            let products = match self {
                Self::Of(product) => vec![product],
                Self::Mixed => {
                    let one = random.i64(1..=PRODUCTS);
                    // Any of the others.
                    vec![one, (one + random.i64(0..PRODUCTS - 1)) % PRODUCTS + 1]
                }
            };
            let items = products.iter().map(|product| json!({"productId": product, "quantity": random.i64(1..=3)}));
            let items: Vec<Value> = items.collect();
            json!({
                "customerName": "Ada Lovelace",
                "customerEmail": format!("customer{}@example.com", random.u32(1..=100_000)),
                "customerPhone": "+44 20 7946 0000",
                "shippingAddress": "12 St James's Square, London",
                "items": items,
            })
            .to_string()
        };
        (0..PREPARED).map(|_| body()).collect()
    }
}

/// Writes requests of one path with these bodies; gives the file.
pub fn write_posts(folder: &Path, path: &str, bodies: &[String]) -> Result<PathBuf> {
    write(folder, "posts", bodies.iter().map(|body| format!("{path} {body}\n")))
}

/// Writes requests without a body; gives the file.
pub fn write_gets(folder: &Path, paths: impl Iterator<Item = String>) -> Result<PathBuf> {
    write(folder, "gets", paths.map(|path| format!("{path}\n")))
}

fn write(folder: &Path, name: &str, lines: impl Iterator<Item = String>) -> Result<PathBuf> {
    let file = folder.join(format!("{name}.txt"));
    std::fs::write(&file, lines.collect::<String>()).map_err(BenchError::file(&file))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::{HOT, Orders, PREPARED};
    use serde_json::Value;

    fn lines(orders: Orders) -> Vec<Vec<i64>> {
        let items = |body: &String| serde_json::from_str::<Value>(body).unwrap()["items"].as_array().unwrap().clone();
        let products = |items: Vec<Value>| items.iter().map(|item| item["productId"].as_i64().unwrap()).collect();
        orders.bodies().iter().map(|body| products(items(body))).collect()
    }

    #[test]
    fn mixed_orders_have_two_products_of_all_there_are() {
        let all = lines(Orders::Mixed);
        assert_eq!(all.len(), PREPARED);
        assert!(all.iter().all(|products| products.len() == 2 && products[0] != products[1]));
        let (least, most) = (all.iter().flatten().min(), all.iter().flatten().max());
        assert!(least >= Some(&1) && most <= Some(&1000));
    }

    #[test]
    fn hot_orders_have_one_line_of_one_product() {
        assert!(lines(Orders::Of(HOT)).iter().all(|products| products == &[HOT]));
    }
}
