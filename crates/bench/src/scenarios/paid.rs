//! Orders that are paid by card, through a sandbox of the provider on the same processors; and what a provider that hangs does to
//! those who pay nothing.

use super::half_load::steady;
use super::placing::{counted, unconfirmed};
use super::{CONNECTIONS, finish};
use crate::error::{BenchError, Result};
use crate::figures::{Figure, Goal};
use crate::load::payers::Payers;
use crate::load::requests::Orders;
use crate::measure::measure;
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;
use crate::turns::{Counted, Turn, in_turns, rated};
use crate::{Bench, warm_up_of};
use payment_sandbox::{Fault, Options, Sandbox};

/// How long paid orders come at half of what is possible, in seconds.
const LEVEL_FOR: u32 = 60;

/// Customers whose payments hang.
const STUCK: u32 = 8;

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let options = Options { is_program: true, ..Options::default() };
    let sandbox = Sandbox::start(options).await.map_err(|error| BenchError::GaveUp(error.to_string()))?;
    let url = sandbox.url();
    let settings = [
        ("SHOP_CURRENCY", "INR"),
        ("STRIPE_SECRET_KEY", "sk_test_sandbox"),
        ("STRIPE_URL", url.as_str()),
        ("PROVIDER_CALLS_PER_SECOND", "0"),
    ];
    let shop = Shop::open_with(&bench.stage, "paid", &settings).await?;
    let mut outcome = ScenarioReport::of(Scenario::Paid);
    let seconds = bench.turn_seconds();
    let orders = Orders::Mixed.bodies();
    let payers = |pays| Payers {
        url: shop.order_url(0).to_owned(),
        bodies: Payers::bodies(&orders, pays),
        pays,
        connections: CONNECTIONS,
        per_second: None,
        seconds,
    };

    let (unpaid, paid) = ("placing orders", "placing orders and paying them by card");
    let without = async || Ok(rated(place(&shop, unpaid, payers(false)).await?));
    let with = async || place(&shop, paid, payers(true)).await;
    outcome.wrong.extend(place(&shop, paid, payers(true)).await?.1);
    let (Turn { load, reference }, wrong) = in_turns(&bench.steps, bench.turns(), without, with).await?;
    let rate = load.answers.per_second();
    outcome
        .figures
        .push(Figure::new("orders paid", rate, "/s").against("unpaid", reference).wanted(Goal::AtLeast(0.2)));
    outcome.loads.push(load);
    outcome.wrong.extend(wrong);

    let half = Payers {
        per_second: Some((rate / 2.0).max(1.0) as u32),
        seconds: LEVEL_FOR.min(bench.settings.seconds * 6),
        ..payers(true)
    };
    let load = measure(&shop, "paid orders at half of that", half.run()).await?;
    let waiting = "SELECT count(*) FROM orders.payment_operations WHERE status IN ('PREPARED', 'SENT', 'UNKNOWN')";
    let left = shop.database.number(waiting).await?;
    outcome
        .figures
        .push(Figure::new("operations that wait at its end", left, "").wanted(Goal::AtMost(f64::from(CONNECTIONS))));
    outcome.figures.push(Figure::new("99 of 100 paid within", load.answers.latency.p99_ms, "ms"));
    outcome.add(load);
    shop.quiet().await?;

    let plain = steady(bench, &shop, Orders::Mixed, (rate / 2.0).max(1.0) as u32);
    let before = measure(&shop, "plain orders, nobody pays", plain.run()).await?;
    sandbox.always("POST /v1/payment_intents", Fault::SilenceBefore);
    let stuck = Payers { connections: STUCK, seconds: bench.settings.seconds, ..payers(true) };
    let stuck = tokio::spawn(async move { stuck.run().await });
    let beside = measure(&shop, "plain orders, the provider hangs", plain.run()).await?;
    sandbox.clear_faults();
    stuck.await??;
    let figure = Figure::new("99 of 100 plain orders within, the provider hangs", beside.answers.latency.p99_ms, "ms");
    outcome.figures.push(figure.against("nobody pays", before.answers.latency.p99_ms));
    outcome.add(before);
    outcome.add(beside);
    finish(bench, shop, outcome).await
}

async fn place(shop: &Shop<'_>, name: &str, payers: Payers) -> Result<Counted> {
    let warm_up = Payers { seconds: warm_up_of(payers.seconds), ..payers.clone() };
    let last = shop.database.number("SELECT COALESCE(max(id), 0) FROM orders.orders").await?;
    let (load, mut wrong) = counted(shop, name, CONNECTIONS, warm_up.run(), payers.run()).await?;
    wrong.extend(unconfirmed(shop, last).await?);
    Ok((load, wrong))
}
