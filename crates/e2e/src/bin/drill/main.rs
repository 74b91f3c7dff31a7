//! `cargo xtask drill`: breaks one thing at a time under a real Prometheus, whose rules have a twentieth of their time. The
//! right alert has to fire in time, no other one without its cause, and what operators look at has to name the cause.

// It ends by a panic where it cannot go on, as the tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod prometheus;

use self::prometheus::{FASTER, Prometheus};
use e2e::environment::{Environment, folder_of_test, workspace};
use e2e::mail_server::MailServer;
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, order};
use e2e::shop::Shop;
use serde_json::{Value, json};
use shared_types::topology::ORDER_RESERVATION_EVENTS;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between two orders.
const PACE: Duration = Duration::from_millis(100);

/// How long everything may take to be quiet again: the longest window of a rule that a fault moves, and some restarts.
const QUIET: Duration = Duration::from_secs(240);

/// Waits look at the clock themselves: what does not come is reported at the end.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Alerts that add up over the faults of the whole drill, or that always fire: nothing is backed up here.
const OF_NO_FAULT: [&str; 3] = ["BackupOld", "OmsErrorBudgetBurnsSlowly", "Watchdog"];

/// How the metrics begin of what this shop does not have: backups, a replica, providers of payments.
const NOT_HERE: [&str; 4] = ["pgbackrest_", "database_replica_", "payment_provider_", "payment_webhook_"];

/// What is broken, what has to be told of it, and how it shows otherwise.
struct Fault {
    what: &'static str,
    alert: &'static str,
    /// Within these seconds: the time of the rule, how often the service measures, two scrapes.
    within: f64,
    /// Alerts that may fire as well: each follows from the fault.
    also: &'static [&'static str],
}

/// What came of a fault.
struct Outcome {
    fault: Fault,
    seconds: f64,
    also: BTreeSet<String>,
    cause: String,
}

struct Drill {
    prometheus: Prometheus,
    outcomes: Vec<Outcome>,
    wrong: Vec<String>,
}

impl Drill {
    async fn firing(&self) -> BTreeSet<String> {
        let mut firing = self.prometheus.firing().await;
        firing.retain(|alert| !OF_NO_FAULT.contains(&alert.as_str()));
        firing
    }

    /// Something is broken since now: waits for its alert.
    async fn broken(&mut self, fault: Fault) {
        let (since, mut also) = (Instant::now(), BTreeSet::new());
        println!("{}: waiting for {}", fault.what, fault.alert);
        let came = poll::within(FOR_EVER, fault.alert, async || {
            also.extend(self.firing().await);
            let seconds = since.elapsed().as_secs_f64();
            if also.contains(fault.alert) || seconds > fault.within * 2.0 { Ok(seconds) } else { Err(String::new()) }
        });
        let seconds = came.await;
        println!("  after {seconds:.1} s");
        if seconds > fault.within {
            self.wrong.push(format!("{}: {} came after {seconds:.1} s, or not at all", fault.what, fault.alert));
        }
        self.outcomes.push(Outcome { fault, seconds, also, cause: String::new() });
    }

    /// What an operator finds where the runbook says to look; it has to hold these words.
    async fn cause(&mut self, words: &str, look: impl AsyncFn(&Prometheus) -> String) {
        let since = Instant::now();
        let found = poll::within(FOR_EVER, words, async || {
            let found = look(&self.prometheus).await;
            let is_named = found.contains(words);
            if is_named || since.elapsed() > poll::PATIENCE { Ok((found, is_named)) } else { Err(String::new()) }
        });
        let (found, is_named) = found.await;
        println!("  {found}");
        let outcome = self.outcomes.last_mut().unwrap();
        outcome.cause = found;
        if !is_named {
            self.wrong.push(format!("{}: the cause is not named", outcome.fault.what));
        }
    }

    /// It is whole again: waits until nothing fires, and looks what fired meanwhile.
    async fn repaired(&mut self) {
        let (since, mut seen) = (Instant::now(), BTreeSet::new());
        let left = poll::within(FOR_EVER, "nothing to fire", async || {
            let firing = self.firing().await;
            seen.extend(firing.clone());
            // One that is about to fire would be taken for one of the next fault.
            let is_quiet = firing.is_empty() && !self.prometheus.is_about_to_fire().await;
            if is_quiet || since.elapsed() > QUIET { Ok(firing) } else { Err(String::new()) }
        });
        let left = left.await;
        println!("  nothing fires any more after {:.0} s", since.elapsed().as_secs_f64());
        let Outcome { fault, also, .. } = self.outcomes.last_mut().unwrap();
        also.extend(seen);
        also.remove(fault.alert);
        let foreign = also.iter().filter(|alert| !fault.also.contains(&alert.as_str()));
        self.wrong.extend(foreign.map(|alert| format!("{}: {alert} fired too", fault.what)));
        self.wrong.extend(left.iter().map(|alert| format!("{}: {alert} does not end", fault.what)));
    }

    /// Every panel of the dashboards has to show something by now, but those of what is not here.
    async fn dashboards(&mut self) {
        for entry in std::fs::read_dir(workspace().join("deploy/grafana/dashboards")).unwrap() {
            let dashboard: Value =
                serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
            let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
            for panel in panels {
                for target in panel["targets"].as_array().unwrap() {
                    let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "30m");
                    let query = query.replace("$job", ".+").replace("$instance", ".+");
                    if NOT_HERE.iter().any(|metrics| query.contains(metrics)) {
                        continue;
                    }
                    match self.prometheus.finds(&query).await {
                        Ok(true) => {}
                        Ok(false) => self.wrong.push(format!("{}: {} is empty", dashboard["title"], panel["title"])),
                        Err(said) => self.wrong.push(format!("{}: {}: {said}", dashboard["title"], panel["title"])),
                    }
                }
            }
        }
    }

    fn report(&self) -> ExitCode {
        println!(
            "\n| broken | alert | seconds | at most | as well | what names the cause |\n|---|---|---|---|---|---|"
        );
        for Outcome { fault, seconds, also, cause } in &self.outcomes {
            let also: Vec<&str> = also.iter().map(String::as_str).collect();
            let Fault { what, alert, within, .. } = fault;
            println!("| {what} | {alert} | {seconds:.1} | {within:.0} | {} | {cause} |", also.join(", "));
        }
        self.wrong.iter().for_each(|wrong| println!("wrong: {wrong}"));
        if self.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// What the service says of a dependency.
async fn dependency(client: &e2e::client::Client, name: &str) -> String {
    let ready = client.get("/health/ready").await.json();
    format!("`/health/ready`: {name} {}", ready["dependencies"][name])
}

/// Why the newest order that waits does.
async fn explained(shop: &Shop, query: &str) -> String {
    let orders = shop.orders().get(&format!("/api/orders?status=PENDING&limit=1{query}")).await.json();
    let explained = shop.orders().get(&format!("/api/orders/{}/explain", orders[0]["id"])).await.json();
    format!("explain: {}", explained["because"].as_str().unwrap_or_default())
}

/// A statement that runs now and of which this holds, with what it waits for.
async fn running(shop: &Shop, condition: &str) -> String {
    let query = format!(
        "SELECT wait_event || ': ' || left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), 50)
         FROM pg_stat_activity WHERE {condition} LIMIT 1"
    );
    shop.database.texts(query).await.join("")
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut mail = MailServer::start().await;
    let plan = Shop::plan().with_accounts().mail(&mail).own_postgres().own_rabbitmq();
    let mut shop = plan.open().await;
    for product in [LAPTOP, MOUSE] {
        let path = format!("/api/inventory/products/{product}/add-stock");
        shop.inventory().post(&path, json!({"quantity": 900_000})).await.is(200);
    }
    shop.register("drill@example.com").await;
    let customer = shop.orders().clone();
    tokio::spawn(async move {
        let mut pace = tokio::time::interval(PACE);
        loop {
            pace.tick().await;
            // What is refused meanwhile is what the drill is about.
            let _ = customer.post("/api/orders", order(&[(LAPTOP, 1), (MOUSE, 1)])).attempt().await;
        }
    });
    let folder = folder_of_test(Environment::get());
    let mut drill =
        Drill { prometheus: Prometheus::start(&shop, &folder).await, outcomes: Vec::new(), wrong: Vec::new() };
    println!("windows and waiting times of the rules are divided by {FASTER}; waiting until nothing fires");
    poll::within(QUIET, "nothing to fire", async || {
        let firing = drill.firing().await;
        // It looks for its targets for some seconds, and an increase needs the value before it.
        let is_warm = drill.prometheus.finds("count(count_over_time(up[2m]) > 30) == 5").await?;
        if is_warm && firing.is_empty() { Ok(()) } else { Err(format!("{firing:?}")) }
    })
    .await;

    shop.broker().send(ORDER_RESERVATION_EVENTS.name, "no event").await;
    drill
        .broken(Fault {
            what: "a message that cannot be read",
            alert: "OmsDeadLetterNew",
            within: 5.0,
            also: &["OmsDeadLettersWaiting"],
        })
        .await;
    drill
        .cause("cannot be parsed", async |_| {
            let letters = shop.orders().dead_letters("state=WAITING", 1).await;
            format!("the letter: {}", letters[0]["reason"])
        })
        .await;
    let discard = json!({"reason": "sent by the drill"});
    shop.orders().post("/api/admin/dead-letters/1/discard", discard).await.is(200);
    drill.repaired().await;

    shop.rabbitmq.as_ref().unwrap().kill().unwrap();
    let also = &["OmsInstanceDown", "OmsServiceAbsent", "OmsRelayIdleWhileOrdersArePlaced", "OmsConfirmationsLag"];
    drill.broken(Fault { what: "RabbitMQ killed", alert: "OmsOutboxStuck", within: 13.0, also }).await;
    drill.cause("RabbitMQ is not reached", async |_| explained(&shop, "").await).await;
    shop.rabbitmq.as_ref().unwrap().restart().unwrap();
    drill.repaired().await;

    shop.postgres.as_ref().unwrap().kill().unwrap();
    let also = &[
        "OmsErrorBudgetBurnsFast",
        "OmsInventoryCircuitOpen",
        "OmsOutboxStuck",
        "OmsQueueNotMoving",
        "OmsRelayIdleWhileOrdersArePlaced",
        "OmsConfirmationsLag",
        "PgConnectionsShort",
        "OmsPlacingSlow",
    ];
    drill.broken(Fault { what: "PostgreSQL killed", alert: "OmsDatabaseAway", within: 12.0, also }).await;
    drill.cause("DOWN", async |_| dependency(shop.orders(), "postgresql").await).await;
    shop.postgres.as_ref().unwrap().restart().unwrap();
    drill.repaired().await;

    shop.inventory_services[0].kill();
    // What it had not published is as old as its outage when it is back, and is measured again only 5 s later.
    let also = &[
        "OmsOutboxStuck",
        "OmsErrorBudgetBurnsFast",
        "OmsInstanceDown",
        "OmsInventoryCircuitOpen",
        "RabbitQueueWithoutConsumer",
        "OmsConfirmationsLag",
        "OmsPlacingSlow",
        "OmsRelayIdleWhileOrdersArePlaced",
    ];
    drill.broken(Fault { what: "inventory-service killed", alert: "OmsServiceAbsent", within: 6.0, also }).await;
    let later = shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).header("Prefer", "respond-async");
    later.await.is(202);
    drill.cause("inventory-service: ", async |_| explained(&shop, "").await).await;
    shop.inventory_services[0].start().await;
    drill.repaired().await;

    shop.account_services[0].kill();
    let also = &["OmsInstanceDown"];
    drill.broken(Fault { what: "account-service killed", alert: "OmsServiceAbsent", within: 6.0, also }).await;
    drill
        .cause("account-service", async |prometheus| {
            format!("the alert: job {}", prometheus.jobs("OmsServiceAbsent").await.join(", "))
        })
        .await;
    shop.account_services[0].start().await;
    drill.repaired().await;

    mail.stop();
    let also = &["OmsNotificationsOld"];
    drill.broken(Fault { what: "mail server stopped", alert: "OmsNotificationCircuitOpen", within: 8.0, also }).await;
    drill.cause("DOWN", async |_| dependency(shop.orders(), "mail-server").await).await;
    mail.come_back().await;
    drill.repaired().await;

    let lock = shop.database.lock("LOCK TABLE orders.notifications IN EXCLUSIVE MODE").await;
    let also = &["OmsNotificationsOld", "PgConnectionsShort"];
    drill.broken(Fault { what: "a consumer that stands still", alert: "OmsQueueNotMoving", within: 34.0, also }).await;
    drill
        .cause("orders.notifications", async |_| {
            format!("waits for a lock: {}", running(&shop, "cardinality(pg_blocking_pids(pid)) > 0").await)
        })
        .await;
    lock.rollback().await.unwrap();
    drill.repaired().await;

    let slow = "CREATE FUNCTION orders.slow() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN PERFORM pg_sleep_for('400 ms'); RETURN NULL; END $$";
    shop.database.execute(slow).await;
    let trigger = "CREATE TRIGGER slow AFTER INSERT ON orders.orders FOR EACH STATEMENT EXECUTE FUNCTION orders.slow()";
    shop.database.execute(trigger).await;
    let also = &["PgConnectionsShort"];
    drill.broken(Fault { what: "slow database", alert: "OmsPlacingSlow", within: 63.0, also }).await;
    drill
        .cause("PgSleep", async |_| {
            format!("runs for long: {}", running(&shop, "state = 'active' AND wait_event = 'PgSleep'").await)
        })
        .await;
    shop.database.execute("DROP TRIGGER slow ON orders.orders").await;
    drill.repaired().await;

    drill.dashboards().await;
    drill.report()
}
