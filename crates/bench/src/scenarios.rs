//! The scenarios, each in a file of its own, and how each ends.

mod asynchronous;
pub mod curve;
mod half_load;
pub mod hot;
pub mod large;
mod logins;
mod mail;
mod paid;
pub mod placement;
pub mod placing;
pub mod reads;
mod resources;
mod settling;
mod single;
mod sold_out;
mod sustained;
mod tokens;
mod two_instances;

use crate::Bench;
use crate::error::Result;
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;

/// Connections where many customers come at once.
pub const CONNECTIONS: u32 = 64;

/// Runs one scenario.
pub async fn run(bench: &Bench, scenario: Scenario) -> Result<ScenarioReport> {
    match scenario {
        Scenario::Placement => placement::run(bench).await,
        Scenario::Sustained => sustained::run(bench).await,
        Scenario::Hot => hot::run(bench).await,
        Scenario::SoldOut => sold_out::run(bench).await,
        Scenario::Single => single::run(bench).await,
        Scenario::HalfLoad => half_load::run(bench).await,
        Scenario::Reads => reads::run(bench).await,
        Scenario::Tokens => tokens::run(bench).await,
        Scenario::Logins => logins::run(bench).await,
        Scenario::Paid => paid::run(bench).await,
        Scenario::Asynchronous => asynchronous::run(bench).await,
        Scenario::Mail => mail::run(bench).await,
        Scenario::Settling => settling::run(bench).await,
        Scenario::TwoInstances => two_instances::run(bench).await,
        Scenario::Resources => resources::run(bench).await,
        Scenario::Curve => curve::run(bench).await,
        Scenario::Large => large::run(bench).await,
    }
}

/// Waits until all is done, compares the services item by item, and deletes what the scenario left.
async fn finish(bench: &Bench, shop: Shop<'_>, mut outcome: ScenarioReport) -> Result<ScenarioReport> {
    bench.steps.say("checking what is left");
    outcome.wrong.extend(shop.breaches().await?);
    shop.close().await?;
    Ok(outcome)
}
