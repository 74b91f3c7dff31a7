//! What clients look at beside their orders: lists, the catalogue, what is held and what was told.

use super::{ChaosClient, Side};
use crate::figures::Kind;
use crate::requests::Request;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Paths with what is put in: an order that is known, its reference, its customer, a product.
const PAGES: [(Side, &str); 21] = [
    (Side::Orders, "/api/orders?limit=5"),
    (Side::Orders, "/api/orders/status/CONFIRMED?limit=5"),
    (Side::Orders, "/api/orders/customer/{email}?limit=5"),
    (Side::Orders, "/api/orders/{order}/timeline"),
    (Side::Orders, "/api/orders/{order}/explain"),
    (Side::Orders, "/api/orders/{order}/notifications"),
    (Side::Orders, "/api/notifications?limit=5"),
    (Side::Orders, "/api/admin/dead-letters?limit=5"),
    (Side::Orders, "/health/live"),
    (Side::Inventory, "/api/inventory/products?limit=5"),
    (Side::Inventory, "/api/inventory/products/active?limit=5"),
    (Side::Inventory, "/api/inventory/products/low-stock?limit=5"),
    (Side::Inventory, "/api/inventory/products/{product}"),
    (Side::Inventory, "/api/inventory/products/{product}/check-stock?quantity=1"),
    (Side::Inventory, "/api/inventory/products/{product}/movements?limit=5"),
    (Side::Inventory, "/api/inventory/products/{product}/stock"),
    (Side::Inventory, "/api/inventory/reservations?limit=5"),
    (Side::Inventory, "/api/inventory/reservations/{reference}"),
    (Side::Inventory, "/api/inventory/reservations/{reference}/explain"),
    (Side::Inventory, "/api/admin/dead-letters?limit=5"),
    (Side::Inventory, "/health/live"),
];

/// The page that is looked at next.
static NEXT: AtomicUsize = AtomicUsize::new(0);

impl ChaosClient {
    pub(super) async fn browse(&mut self, pick: usize) {
        let Some(order) = self.one_of_the_latest(pick) else { return };
        // In turn, whichever client it is: by chance, a short run leaves a page out now and then.
        let (side, path) = PAGES[NEXT.fetch_add(1, Relaxed) % PAGES.len()];
        let product = self.products[pick % self.products.len()].id;
        let path = path.replace("{order}", &order.id.to_string()).replace("{product}", &product.to_string());
        let path = path.replace("{reference}", &order.reference).replace("{email}", &order.customer_email);
        // What is held for an order that is only accepted is not there yet.
        let expected: &[u16] = if path.contains(&order.reference) { &[200, 404] } else { &[200] };
        self.attempt(Kind::Browse, side, &Request::get(path), expected).await;
    }
}
