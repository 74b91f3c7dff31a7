//! The loads of the turns: short, because there are many of them.

use crate::error::{BenchError, Result};
use crate::load::requests::{HOT, Orders, Way};
use crate::scenario::Scenario;
use crate::scenarios::CONNECTIONS;
use crate::scenarios::placing::{Placing, unconfirmed};
use crate::scenarios::reads::{ORDERS_READ, PRODUCTS_READ, READ_ALL_OVER, Read};
use crate::shop::Shop;
use crate::turns::{Rated, rated};

/// What is put on a shop in a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measured {
    /// Orders of two random products, answered.
    Placement,
    /// Orders of one product, answered.
    Hot,
    /// Orders of two random products, confirmed.
    Sustained,
    Products,
    Orders,
    /// Orders of all that there are.
    AnyOrders,
    /// The newest orders of a customer.
    Lists,
}

impl Measured {
    /// What a scenario comes to; an error for those that cannot be compared.
    pub fn of(scenario: Scenario) -> Result<&'static [Self]> {
        match scenario {
            Scenario::Placement => Ok(&[Self::Placement]),
            Scenario::Hot => Ok(&[Self::Hot]),
            Scenario::Sustained => Ok(&[Self::Sustained]),
            Scenario::Reads => Ok(&[Self::Products, Self::Orders]),
            Scenario::Large => {
                Ok(&[Self::Placement, Self::Sustained, Self::Products, Self::Orders, Self::AnyOrders, Self::Lists])
            }
            other => Err(BenchError::GaveUp(format!("{other} cannot be held against another build"))),
        }
    }

    /// As it is called in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Placement => "orders of two products placed",
            Self::Hot => "orders of one product placed",
            Self::Sustained => "orders confirmed",
            Self::Products => PRODUCTS_READ,
            Self::Orders => ORDERS_READ,
            Self::AnyOrders => READ_ALL_OVER,
            Self::Lists => "orders of a customer listed",
        }
    }

    /// How long a turn lasts, in seconds. Reads leave nothing behind that has to come to rest, and vary less.
    fn seconds(self) -> u32 {
        match self {
            Self::Placement | Self::Hot => 2,
            Self::Sustained => 4,
            Self::Products | Self::Orders | Self::AnyOrders | Self::Lists => 1,
        }
    }

    /// A turn on this shop.
    pub async fn turn(self, shop: &Shop<'_>) -> Result<Rated> {
        self.run(shop, self.seconds()).await
    }

    /// As much as it takes until caches are filled and connections made.
    pub async fn warm_up(self, shop: &Shop<'_>, seconds: u32) -> Result<Vec<String>> {
        Ok(self.run(shop, seconds).await?.1)
    }

    async fn run(self, shop: &Shop<'_>, seconds: u32) -> Result<Rated> {
        let name = self.name();
        let placing = |orders| Placing { name, orders, way: Way::Plain, connections: CONNECTIONS, seconds };
        match self {
            Self::Placement => Ok(rated(placing(Orders::Mixed).run(shop).await?)),
            Self::Hot => Ok(rated(placing(Orders::Of(HOT)).run(shop).await?)),
            Self::Sustained => confirmed(shop, &placing(Orders::Mixed)).await,
            Self::Products => Ok(rated(Read::Product.run(shop, name, seconds).await?)),
            Self::Orders => Ok(rated(Read::NewOrder.run(shop, name, seconds).await?)),
            Self::AnyOrders => Ok(rated(Read::AnyOrder.run(shop, name, seconds).await?)),
            Self::Lists => Ok(rated(Read::ListOfCustomer.run(shop, name, seconds).await?)),
        }
    }
}

/// Orders confirmed per second, from the first that was placed to the last that was confirmed.
async fn confirmed(shop: &Shop<'_>, placing: &Placing<'_>) -> Result<Rated> {
    let last = shop.database.number("SELECT COALESCE(max(id), 0) FROM orders.orders").await?;
    let answers = placing.load(shop, placing.seconds)?.run().await?;
    shop.quiet().await?;
    let rate = format!(
        "SELECT COALESCE(count(*) FILTER (WHERE status = 'CONFIRMED')
                / extract(epoch FROM max(at) FILTER (WHERE status = 'CONFIRMED') - min(at)), 0)
         FROM orders.order_status_history WHERE order_id > {last}"
    );
    let mut wrong: Vec<String> = unconfirmed(shop, last).await?.into_iter().collect();
    if answers.refused + answers.unanswered > 0 {
        wrong.push(format!("{} answers refused, {} missing", answers.refused, answers.unanswered));
    }
    Ok((shop.database.number(&rate).await?, wrong))
}
