//! People log in: how often against what hashing allows, and how long others wait for their orders meanwhile.

use super::half_load::steady;
use super::placing::unconfirmed;
use super::{finish, placement};
use crate::Bench;
use crate::error::{BenchError, Result};
use crate::figures::{Figure, Goal};
use crate::load::Answers;
use crate::load::logins::{LogIns, register};
use crate::load::requests::Orders;
use crate::measure::measure;
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// People who log in at once. Fewer than may wait for their turn.
const PEOPLE: usize = 16;

/// Log-ins a second of a shop that is busy, not overrun.
const BUSY: u32 = 10;

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open_with_accounts(&bench.stage, "logins").await?;
    let mut outcome = ScenarioReport::of(Scenario::Logins);
    let (url, seconds) = (shop.account_url().to_owned(), bench.settings.seconds);
    let logins = LogIns { customers: register(&url, PEOPLE).await?, url, per_second: None, seconds };

    let threads = hashing_at_once();
    let before = bare_loop(threads, bench.half_of_the_seconds()).await?;
    LogIns { seconds: bench.warm_up_seconds(), ..logins.clone() }.run().await?;
    let load = measure(&shop, "logging in", logins.run()).await?;
    let bare = (before + bare_loop(threads, bench.half_of_the_seconds()).await?) / 2.0;
    let rate = load.answers.per_second();
    outcome.figures.push(Figure::new("log-ins", rate, "/s").against("argon2 in a bare loop", bare));
    // Each log-in is one hash, which takes a thread of the bare loop this long.
    let hashing = rate * threads as f64 / bare / processors() as f64 * 100.0;
    outcome.figures.push(Figure::new("processors that hash", hashing, "%").wanted(Goal::AtMost(50.0)));
    outcome.add(load);

    let placed = bench.found(Scenario::Placement, placement::RATE);
    let orders = steady(bench, &shop, Orders::Mixed, (placed / 5.0).max(1.0) as u32);
    for (beside, per_second, most) in [("10 log-ins/s", Some(BUSY), 100.0), ("all log-ins there can be", None, 300.0)] {
        shop.quiet().await?;
        let last = shop.database.number("SELECT COALESCE(max(id), 0) FROM orders.orders").await?;
        let logins = LogIns { per_second, ..logins.clone() };
        let name = format!("orders at a fifth of the peak beside {beside}");
        let mut logged_in = Ok(Answers::default());
        let load = measure(&shop, &name, async {
            let (answers, logins) = tokio::join!(orders.run(), logins.run());
            logged_in = logins;
            answers
        })
        .await?;
        let logged_in = logged_in?;
        if logged_in.refused + logged_in.unanswered > 0 {
            let Answers { refused, unanswered, .. } = logged_in;
            outcome.wrong.push(format!("{name}: {refused} log-ins refused, {unanswered} without an answer"));
        }
        shop.quiet().await?;
        outcome.wrong.extend(unconfirmed(&shop, last).await?);
        let p99 = Figure::new(format!("beside {beside}, 99 of 100 orders within"), load.answers.latency.p99_ms, "ms");
        outcome.figures.push(p99.wanted(Goal::AtMost(most)));
        outcome.figures.push(Figure::new(format!("{beside}: answered"), logged_in.per_second(), "/s"));
        outcome.add(load);
    }
    finish(bench, shop, outcome).await
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// As many as account-service hashes at once by default.
fn hashing_at_once() -> usize {
    (processors() / 2).clamp(1, 4)
}

/// Passwords compared with their hash per second by threads that do nothing else, with the parameters of account-service.
async fn bare_loop(threads: usize, seconds: u32) -> Result<f64> {
    let compared = tokio::task::spawn_blocking(move || {
        let (began, limit) = (Instant::now(), Duration::from_secs(seconds.into()));
        let threads: Vec<_> = (0..threads).map(|_| std::thread::spawn(move || compare(began + limit))).collect();
        let counts: Option<Vec<u64>> = threads.into_iter().map(|thread| thread.join().ok().flatten()).collect();
        counts.map(|counts| counts.iter().sum::<u64>() as f64 / began.elapsed().as_secs_f64())
    });
    compared.await?.ok_or_else(|| BenchError::GaveUp("argon2 compares nothing".to_owned()))
}

/// How often the right password was compared until then.
fn compare(end: Instant) -> Option<u64> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let hash = argon2.hash_password(b"plum-tractor-violin-9").ok()?.to_string();
    let hash = PasswordHash::new(&hash).ok()?;
    let mut count = 0;
    while Instant::now() < end {
        argon2.verify_password(b"plum-tractor-violin-9", &hash).ok()?;
        count += 1;
    }
    Some(count)
}
