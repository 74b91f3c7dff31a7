//! `--against`: this build and an older one take turns, so that a change can be seen to have made nothing slower.
//!
//! Both are up at once, on databases and virtual hosts of their own on the same servers, and only one is loaded at a
//! time. Which of them begins changes from turn to turn: what the machine gains or loses meanwhile hits both alike.

mod loads;
mod ratios;

pub use ratios::{Compared, Comparison};

use crate::Settings;
use crate::error::Result;
use crate::machine;
use crate::scenario::Scenario;
use crate::scenarios::large;
use crate::shop::Shop;
use crate::stage::Stage;
use loads::Measured;
use std::path::PathBuf;
use testbed::step::Steps;

/// What is compared where nothing is named.
const DEFAULT: [Scenario; 4] = [Scenario::Placement, Scenario::Hot, Scenario::Sustained, Scenario::Reads];

/// How long each build is warmed up before the first turn.
const WARM_UP_SECONDS: u32 = 5;

/// The build that this one is held against.
#[derive(Clone, Debug)]
pub struct Build {
    /// The commit it is of.
    pub commit: String,
    pub order_service: PathBuf,
    pub inventory_service: PathBuf,
}

/// Takes so many turns with each load of the scenarios that are named.
pub async fn run(settings: &Settings, old: &Build, turns: usize) -> Result<Comparison> {
    let chosen = if settings.scenarios.is_empty() { DEFAULT.to_vec() } else { settings.scenarios.clone() };
    let mut loads = Vec::new();
    for scenario in chosen {
        loads.push((scenario, Measured::of(scenario)?));
    }
    let steps = Steps::begin("comparing two builds; the machine should have nothing else to do");
    let new = Stage::open(settings).await?;
    let beside = new.with_build("old", &old.order_service, &old.inventory_service).await?;
    let mut comparison =
        Comparison { new: machine::commit(), old: old.commit.clone(), compared: Vec::new(), wrong: Vec::new() };
    for (scenario, loads) in loads {
        steps.say(&format!("{scenario} …"));
        let open = async |stage, name: &str| {
            let database = Shop::database(stage, &format!("{name}-{scenario}")).await?;
            if scenario == Scenario::Large {
                large::fill(stage, &steps, settings.orders, &database).await?;
                return Shop::open_on(stage, database, 1, &large::NO_CHECKS).await;
            }
            Shop::open_on(stage, database, 1, &[]).await
        };
        let shops = (open(&new, "new").await?, open(&beside, "old").await?);
        let turns = Turns { settings, steps: &steps, shops: &shops, count: turns };
        for load in loads {
            let (compared, wrong) = turns.take(*load).await?;
            steps.say(&compared.to_string());
            comparison.compared.push(compared);
            comparison.wrong.extend(wrong);
        }
        for shop in [shops.0, shops.1] {
            let name = shop.database.name().to_owned();
            let breaches = match scenario {
                Scenario::Large => large::breaches(&shop, settings.orders).await?,
                _ => shop.breaches().await?,
            };
            comparison.wrong.extend(breaches.into_iter().map(|breach| format!("{name}: {breach}")));
            shop.close().await?;
        }
    }
    Ok(comparison)
}

/// The turns of one scenario: the shop of the new build and that of the old one.
struct Turns<'a> {
    settings: &'a Settings,
    steps: &'a Steps,
    shops: &'a (Shop<'a>, Shop<'a>),
    count: usize,
}

impl Turns<'_> {
    async fn take(&self, load: Measured) -> Result<(Compared, Vec<String>)> {
        let (new, old) = self.shops;
        let mut wrong = Vec::new();
        let warm_up = if self.settings.smoke { 1 } else { WARM_UP_SECONDS };
        for shop in [new, old] {
            // There are no orders to be read before some were placed.
            if load == Measured::Orders {
                wrong.extend(Measured::Placement.warm_up(shop, warm_up).await?);
            }
            wrong.extend(load.warm_up(shop, warm_up).await?);
        }
        let mut compared = Compared { name: load.name().to_owned(), rates: Vec::new() };
        for number in 0..self.count {
            let both = if number.is_multiple_of(2) { [new, old] } else { [old, new] };
            let (first, found) = load.turn(both[0]).await?;
            wrong.extend(found);
            let (second, found) = load.turn(both[1]).await?;
            wrong.extend(found);
            let (new, old) = if number.is_multiple_of(2) { (first, second) } else { (second, first) };
            self.steps.say(&format!("{}, turn {}: {new:.0}/s against {old:.0}/s", load.name(), number + 1));
            compared.rates.push((new, old));
        }
        Ok((compared, wrong))
    }
}
