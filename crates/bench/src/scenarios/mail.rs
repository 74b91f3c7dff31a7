//! Customers are told by e-mail: how fast what gathered while the mail server was away is sent once it is back.

use super::placing::Placing;
use super::{CONNECTIONS, finish};
use crate::Bench;
use crate::error::{BenchError, Result};
use crate::figures::{Figure, Goal};
use crate::load::requests::{Orders, Way};
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;
use e2e::mail_server::MailServer;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Seconds, at the most, in which customers order while the mail server is away: some ten thousand orders.
const SECONDS: u32 = 4;

/// An order is placed and confirmed, and its customer told both times.
const MAILS_OF_AN_ORDER: f64 = 2.0;

const PAUSE: Duration = Duration::from_millis(10);

/// How long each of the two may take: writing down what is to be sent, and sending it.
const LIMIT: Duration = Duration::from_secs(300);

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let mut server = MailServer::start().await;
    server.stop();
    let port = server.port().to_string();
    let variables = [("MAIL_HOST", "127.0.0.1"), ("MAIL_PORT", &port), ("MAIL_TLS", "none")];
    let from = [("MAIL_FROM_ADDRESS", "orders@shop.example"), ("NOTIFICATION_CIRCUIT_PAUSE_MS", "100")];
    let shop = Shop::open_with(&bench.stage, "mail", &[variables.as_slice(), &from].concat()).await?;
    let mut outcome = ScenarioReport::of(Scenario::Mail);
    let name = "placing orders, the mail server is away";
    let (connections, seconds) = (CONNECTIONS, bench.settings.seconds.min(SECONDS));
    let placing = Placing { name, orders: Orders::Mixed, way: Way::Plain, connections, seconds };
    let (load, wrong) = placing.run(&shop).await?;
    outcome.wrong.extend(wrong);
    outcome.add(load);

    let wanted = MAILS_OF_AN_ORDER * shop.database.number("SELECT count(*) FROM orders.orders").await?;
    let waiting = "SELECT count(*) FROM orders.notifications WHERE status = 'QUEUED'";
    until("every mail to wait", async || Ok(shop.database.number(waiting).await? == wanted)).await?;
    server.come_back().await;
    until("the first mail", async || Ok(server.count() > 0)).await?;
    let began = Instant::now();
    let before = server.count() as f64;
    until("every mail to be sent", async || Ok(server.count() as f64 >= wanted)).await?;
    let per_second = (wanted - before) / began.elapsed().as_secs_f64();
    outcome.figures.push(Figure::new("e-mails that waited", wanted, ""));
    outcome.figures.push(Figure::new("e-mails sent", per_second, "/s").wanted(Goal::AtLeast(500.0)));

    let unsent = "SELECT count(*) FROM orders.notifications WHERE status <> 'SENT' AND channel = 'EMAIL'";
    until("every mail to be noted", async || Ok(shop.database.number(unsent).await? == 0.0)).await?;
    let received = server.received();
    let different: HashSet<String> = received.iter().map(|mail| mail.message_id()).collect();
    if received.len() as f64 != wanted || different.len() != received.len() {
        let (received, different) = (received.len(), different.len());
        outcome.wrong.push(format!("{wanted} mails were to be sent, {received} came, {different} of them different"));
    }
    finish(bench, shop, outcome).await
}

/// Waits until it is so.
async fn until(what: &str, is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_so().await? {
        if began.elapsed() > LIMIT {
            return Err(BenchError::GaveUp(format!("waited {} s for {what}", LIMIT.as_secs())));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
