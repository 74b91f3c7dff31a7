//! What is there at the end, as the services show it.

use crate::books::Books;
use crate::error::ChaosError;
use crate::history::History;
use crate::stage::Stage;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::Value;
use shared_types::OrderStatus;
use std::collections::{BTreeMap, BTreeSet};
use verify::records::{Order, Reservation};
use verify::{Api, VerifyError};

/// Timelines asked for at once.
const AT_ONCE: usize = 8;

/// The end state of a run.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Every order with the statuses it went through.
    pub orders: Vec<(Order, Vec<OrderStatus>)>,
    pub reservations: Vec<Reservation>,
    pub stock: BTreeMap<i64, i64>,
    /// What each service has set aside, as it shows it.
    pub dead_letters: Vec<(String, Value)>,
    /// What was done to the money of each payment.
    pub payments: BTreeMap<i64, Vec<MoneyOperation>>,
    /// What was taken and given back, as order-service and the providers have it.
    pub books: Books,
    /// What does not hold in account-service's tables.
    pub account_breaches: Vec<String>,
}

#[derive(Deserialize)]
struct Invariants {
    holds: bool,
    #[serde(default)]
    breaches: Vec<Value>,
}

/// What was done to the money of a payment, or waits to be done.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct MoneyOperation {
    /// How far it is.
    pub status: String,
    /// Why, in the words of who asked for it.
    pub reason: Option<String>,
}

#[derive(Deserialize)]
struct Payment {
    id: i64,
    operations: Vec<MoneyOperation>,
}

#[derive(Deserialize)]
struct TimelineEntry {
    status: OrderStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProductStock {
    id: i64,
    stock_quantity: i64,
}

impl Observed {
    /// Asks the second process of each service, which the load asked no less than the first.
    pub async fn look(stage: &Stage, history: &History) -> Result<Self, ChaosError> {
        let (orders, inventory) = (Api::new(&stage.orders[1].base)?, Api::new(&stage.inventory[1].base)?);
        let accounts = Api::new(&stage.accounts[1].base)?;
        let listed: Vec<Order> = orders.list("/api/orders").await?;
        let with_timeline = stream::iter(listed).map(|order| {
            let orders = orders.clone();
            async move {
                let rows: Vec<TimelineEntry> = orders.get(&format!("/api/orders/{}/timeline", order.id)).await?;
                Ok::<_, VerifyError>((order, rows.into_iter().map(|row| row.status).collect()))
            }
        });
        let paid: BTreeSet<i64> = history.money.iter().map(|asked| asked.payment).collect();
        let payments = stream::iter(paid).map(|id| {
            let orders = orders.clone();
            async move {
                let Payment { id, operations } = orders.get(&format!("/api/payments/{id}")).await?;
                Ok::<_, VerifyError>((id, operations))
            }
        });
        let products: Vec<ProductStock> = inventory.list("/api/inventory/products").await?;
        let mut dead_letters = Vec::new();
        for (name, service) in
            [("order-service", &orders), ("inventory-service", &inventory), ("account-service", &accounts)]
        {
            let found: Vec<Value> = service.list("/api/admin/dead-letters").await?;
            dead_letters.extend(found.into_iter().map(|letter| (name.to_owned(), letter)));
        }
        let invariants: Invariants = accounts.get("/api/admin/invariants").await?;
        let mut account_breaches: Vec<String> = invariants.breaches.iter().map(Value::to_string).collect();
        if !invariants.holds && account_breaches.is_empty() {
            account_breaches.push("account-service denies its invariants without naming one".to_owned());
        }
        Ok(Self {
            account_breaches,
            books: Books::read(stage).await?,
            payments: payments.buffered(AT_ONCE).try_collect().await?,
            orders: with_timeline.buffered(AT_ONCE).try_collect().await?,
            reservations: inventory.list("/api/inventory/reservations").await?,
            stock: products.into_iter().map(|product| (product.id, product.stock_quantity)).collect(),
            dead_letters,
        })
    }
}
