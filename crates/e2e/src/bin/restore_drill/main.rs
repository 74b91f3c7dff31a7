//! `cargo xtask restore-drill`: orders are placed under load, the database is damaged and restored to a moment; then its server
//! and disk are gone, and it is restored to the end of the archive. The commands are those of docs/backups.md.

// It ends by a panic where it cannot go on, as the tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod archive;
mod document;
mod load;
mod payments;

use self::archive::Archive;
use self::document::Document;
use self::load::{Answered, Load};
use self::payments::Payments;
use e2e::environment::{Environment, folder_of_test};
use e2e::money;
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE};
use e2e::shop::Shop;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// So many orders are answered between two steps.
const SOME: usize = 100;

/// How long reservations without an order may be held, settling included, and how long a segment of WAL may take.
const LONG: Duration = Duration::from_secs(150);

/// Rows beside the orders, so that there is something to carry: some 300 MB.
const FILLER: &str = "CREATE TABLE filler AS
    SELECT n, md5(random()::text) || md5(random()::text) || md5(random()::text) || md5(random()::text) AS a,
           md5(random()::text) || md5(random()::text) || md5(random()::text) || md5(random()::text) AS b
    FROM generate_series(1, 1000000) AS n";

/// What a restore took.
struct Restored {
    files: Duration,
    replay: Duration,
    all: Duration,
    /// What was announced again: type and count.
    announced: String,
}

struct Drill {
    shop: Shop,
    document: Document,
    archive: Archive,
    figures: Vec<(String, String)>,
}

impl Drill {
    fn begin(shop: Shop, archive: Archive) -> Self {
        let (postgres, rabbitmq) = (shop.postgres.as_ref().unwrap(), shop.rabbitmq.as_ref().unwrap());
        let (_, database) = shop.database.url().rsplit_once('/').unwrap();
        let (_, vhost) = shop.broker().url().rsplit_once('/').unwrap();
        let variables = vec![
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", postgres.port().to_string()),
            ("PGUSER", "postgres".to_owned()),
            ("PGBACKREST_CONFIG", archive.config().display().to_string()),
            ("DATABASE", database.to_owned()),
            ("BROKER", rabbitmq.management_url()),
            ("VHOST", vhost.to_owned()),
            ("ORDER_SERVICE", shop.orders().base().to_owned()),
        ];
        let document = Document::read(&folder_of_test(Environment::get()), &postgres.data(), variables);
        Self { shop, document, archive, figures: Vec::new() }
    }

    fn figure(&mut self, what: &str, value: String) {
        println!("  {what}: {value}");
        self.figures.push((what.to_owned(), value));
    }

    async fn backup(&mut self, kind: &str) {
        let since = Instant::now();
        self.document.other(&format!("sudo -u postgres pgbackrest --stanza=oms --type={kind} backup")).await;
        let took = since.elapsed().as_secs_f64();
        let newest = self.archive.newest(&self.document).await;
        let megabytes = |field: &str| newest["info"]["repository"][field].as_f64().unwrap() / 1e6;
        let size = newest["info"]["size"].as_f64().unwrap() / 1e6;
        let said = format!("{took:.1} s, {:.1} MB of {size:.0} MB in the repository", megabytes("delta"));
        self.figure(&format!("backup ({kind}), under load"), said);
    }

    /// Restores by the document, with the block that has these words.
    async fn restore(&mut self, words: &str) -> Restored {
        let (since, shop, document) = (Instant::now(), &mut self.shop, &mut self.document);
        document.run(shop, "systemctl stop order-service").await;
        document.run(shop, "systemctl stop postgresql").await;
        let (files, _) = document.run(shop, words).await;
        document.run(shop, "-X DELETE").await;
        let (starts, _) = document.run(shop, "systemctl start postgresql").await;
        let (announces, announced) = document.run(shop, "after-restore.sql").await;
        document.run(shop, "systemctl start account-service").await;
        let all = since.elapsed();
        document.run(shop, "payments/reconcile").await;
        let counts = announced.lines().filter(|line| line.contains('|') && line.contains(|c: char| c.is_ascii_digit()));
        let announced = counts.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
        let announced = announced.join(", ");
        Restored { files, replay: starts + announces, all, announced }
    }

    fn tell(&mut self, what: &str, restored: &Restored) {
        let Restored { files, replay, all, .. } = restored;
        let seconds = |it: &Duration| it.as_secs_f64();
        let said = format!(
            "{:.1} s from the first command to services that are ready: files {:.1} s, replay {:.1} s",
            seconds(all),
            seconds(files),
            seconds(replay)
        );
        self.figure(what, said);
    }

    /// The references of all orders that are there.
    async fn references(&self) -> BTreeSet<String> {
        self.shop.database.texts("SELECT reference::text FROM orders.orders").await.into_iter().collect()
    }

    /// Whatever was promised holds, in each service and between them.
    async fn assert_all_holds(&self) {
        let shop = &self.shop;
        poll::within(LONG, "no stock to be held", async || {
            let held = "SELECT count(*) FROM inventory.reservations WHERE status = 'HELD'";
            poll::equal(shop.database.number(held).await, 0)
        })
        .await;
        shop.assert_invariants().await;
        let report = verify::run(shop.orders().base(), shop.inventory().base(), LONG).await.unwrap();
        println!("  {report}");
        assert!(report.breaches.is_empty(), "verify finds breaches");
        for client in [shop.orders(), shop.inventory(), shop.accounts()] {
            let said = client.get("/api/admin/invariants").await.is(200).json();
            assert_eq!(said["holds"], true, "{}: {said}", client.base());
        }
    }

    /// A lost order is placed anew by its own request, and gets a number that no other has had.
    async fn assert_lost_orders_can_be_repeated(&self, lost: &[Answered], kept: &Answered) {
        let orders = self.shop.orders();
        let newest = lost.iter().map(|order| order.id).max().unwrap();
        let again = load::place(orders, &lost[0].key).await.expect("a lost order can be placed again");
        assert!(again.id > newest, "number {} was given out before {newest}", again.id);
        let same = load::place(orders, &kept.key).await.expect("a kept order is answered again");
        assert_eq!((same.id, &same.reference), (kept.id, &kept.reference));
    }
}

/// Waits until the load has had so many answers more.
async fn some_more(load: &Load) {
    let wanted = load.count() + SOME;
    poll::within(LONG, "more orders", async || match load.count() {
        count if count >= wanted => Ok(()),
        count => Err(format!("{count} of {wanted}, {} refused", load.refused())),
    })
    .await;
}

/// Waits until what stands in the outbox now is published, and deleted there.
async fn is_published(shop: &Shop, schema: &str) {
    let newest = shop.database.number(format!("SELECT COALESCE(max(id), 0) FROM {schema}.outbox")).await;
    let waiting = format!("SELECT count(*) FROM {schema}.outbox WHERE id <= {newest}");
    poll::eventually("the outbox to be published", async || poll::equal(shop.database.number(&*waiting).await, 0))
        .await;
}

/// The oldest confirmed orders, without those that were paid.
async fn confirmed(shop: &Shop, count: usize) -> Vec<i64> {
    let oldest = "SELECT id::text FROM orders.orders WHERE status = 'CONFIRMED' AND payment_status IS NULL ORDER BY id";
    shop.database.texts(format!("{oldest} LIMIT {count}")).await.iter().map(|id| id.parse().unwrap()).collect()
}

/// The moment, with everything under way that can be: events that were published and have had no effect yet. Consumers stand still
/// for as long as that takes, and orders go on.
async fn moment_with_all_under_way(shop: &Shop) -> OffsetDateTime {
    let first = shop.database.lock("LOCK TABLE orders.inbox IN EXCLUSIVE MODE").await;
    let unheard = "SELECT count(*) FROM orders.orders o JOIN inventory.reservations r ON r.id = o.reference
                   WHERE o.status = 'PENDING' AND r.status = 'COMMITTED'";
    poll::eventually("orders that do not hear of their stock", async || match shop.database.number(unheard).await {
        count if count >= 5 => Ok(()),
        count => Err(count.to_string()),
    })
    .await;
    is_published(shop, "inventory").await;
    let second = shop.database.lock("LOCK TABLE inventory.inbox IN EXCLUSIVE MODE").await;
    let known = confirmed(shop, 6).await;
    for (position, id) in known.into_iter().enumerate() {
        if position < 3 { load::cancel(shop.orders(), id).await } else { load::ship(shop.orders(), id).await }
    }
    is_published(shop, "orders").await;
    let now = OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(now.microsecond() * 1000).unwrap();
    let later = load::place(shop.orders(), "right-after").await;
    assert!(later.is_some(), "orders go on meanwhile");
    first.rollback().await.unwrap();
    second.rollback().await.unwrap();
    now
}

fn written(at: OffsetDateTime) -> String {
    let ((hour, minute, second), micro) = (at.to_hms(), at.microsecond());
    format!("{} {hour:02}:{minute:02}:{second:02}.{micro:06}+00", at.date())
}

/// The table is gone: restored to the moment before.
async fn restore_to_a_moment(drill: &mut Drill) {
    println!("restore to a moment");
    let payments = Payments::before(&drill.shop).await;
    let load = Load::start(&drill.shop, "moment");
    some_more(&load).await;
    drill.backup("full").await;
    some_more(&load).await;
    let moment = moment_with_all_under_way(&drill.shop).await;
    println!("  the moment: {}", written(moment));
    payments.after(&drill.shop).await;
    some_more(&load).await;
    drill.backup("diff").await;
    // Cancellations of the future that inventory-service has not heard of: their messages wait for it.
    drill.shop.inventory_services[0].kill();
    let undone = confirmed(&drill.shop, 3).await;
    for id in &undone {
        load::cancel(drill.shop.orders(), *id).await;
    }
    is_published(&drill.shop, "orders").await;
    drill.shop.database.execute("DROP TABLE orders.order_items CASCADE").await;
    let answered = load.stop().await;
    let damaged = drill.shop.orders().get("/api/orders?limit=1").await.status;
    println!("  orders are answered with {damaged} without the table of their lines");

    drill.document.set("MOMENT", written(moment));
    let restored = drill.restore("--type=time").await;
    drill.tell("restore to a moment", &restored);
    println!("  announced again: {}", restored.announced);
    for event in ["order.cancelled", "order.shipped", "reservation.committed"] {
        assert!(restored.announced.contains(event), "{event} was under way: {}", restored.announced);
    }
    let there = drill.references().await;
    let is_there = |order: &&Answered| there.contains(&order.reference);
    let (before, after): (Vec<&Answered>, Vec<&Answered>) = answered
        .iter()
        .filter(|order| order.answered_at <= moment || order.asked_at > moment)
        .partition(|it| it.answered_at <= moment);
    let missing = before.iter().filter(|it| !is_there(it)).count();
    let foreign = after.iter().filter(|it| is_there(it)).count();
    drill.figure("answered before the moment", format!("{}, of which {missing} are missing", before.len()));
    drill.figure("asked for after the moment", format!("{}, of which {foreign} are there", after.len()));
    assert_eq!((missing, foreign), (0, 0));
    let lost: Vec<Answered> = after.into_iter().cloned().collect();
    let kept = before[0].clone();
    drill.assert_lost_orders_can_be_repeated(&lost, &kept).await;
    payments.assert_taken_over(&drill.shop).await;
    let load = Load::start(&drill.shop, "again");
    some_more(&load).await;
    load.stop().await;
    drill.assert_all_holds().await;
    // A cancellation that waited in its queue would have released their stock, and so cancelled them.
    for id in undone {
        drill.shop.order_becomes(id, "CONFIRMED").await;
    }
    drill.document.run(&mut drill.shop, "--type=full backup").await;
}

/// Server and disk are gone: restored to the end of the archive.
async fn restore_what_is_archived(drill: &mut Drill) {
    println!("the server and its disk are gone");
    let load = Load::start(&drill.shop, "gone");
    some_more(&load).await;
    // At the worst time: some are archived, and the next segment is about to be.
    let (timeout, since) = (archive::timeout(), written(OffsetDateTime::now_utc()));
    let age = format!(
        "SELECT CASE WHEN last_archived_time > '{since}'
                     THEN EXTRACT(EPOCH FROM clock_timestamp() - last_archived_time)::bigint ELSE 0 END
         FROM pg_stat_archiver"
    );
    poll::within(LONG, "a segment that is about to be archived", async || {
        match drill.shop.database.number(&*age).await {
            seconds if seconds >= timeout as i64 - 2 => Ok(()),
            seconds => Err(format!("{seconds} s of {timeout}")),
        }
    })
    .await;
    let postgres = drill.shop.postgres.as_ref().unwrap();
    let gone = OffsetDateTime::now_utc();
    postgres.kill().unwrap();
    for entry in std::fs::read_dir(postgres.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    let answered = load.stop().await;

    drill.document.set("MOMENT", written(gone));
    let restored = drill.restore("--delta restore").await;
    drill.tell("restore to the end of the archive", &restored);
    println!("  announced again: {}", restored.announced);
    let there = drill.references().await;
    let (kept, lost): (Vec<Answered>, Vec<Answered>) =
        answered.into_iter().partition(|order| there.contains(&order.reference));
    let (first, last) =
        (lost.first().expect("an order of the last minute is lost"), kept.last().expect("orders are kept"));
    let window = gone - first.answered_at;
    drill.figure(
        "lost with the disk",
        format!(
            "{} of {} answered orders: the last {:.1} s",
            lost.len(),
            kept.len() + lost.len(),
            window.as_seconds_f64()
        ),
    );
    assert!(window <= Duration::from_secs(timeout + 5), "more than the loss window is lost");
    assert!(last.asked_at <= first.answered_at, "what is there was there at one moment");
    drill.assert_lost_orders_can_be_repeated(&lost, &kept[0]).await;
    let load = Load::start(&drill.shop, "after");
    some_more(&load).await;
    load.stop().await;
    drill.assert_all_holds().await;
}

/// What node_exporter shows: the newest full backup and the newest segment are minutes old, and none waits.
async fn assert_measured(drill: &Drill) {
    let text = drill
        .document
        .other("sudo -u postgres psql -XqAt -v ON_ERROR_STOP=1 -d postgres < deploy/backup/metrics.sql")
        .await;
    let now = OffsetDateTime::now_utc().unix_timestamp() as f64;
    for name in ["backup_last_full", "backup_last", "wal_archived", "wal_waiting"] {
        let line = format!("\npgbackrest_{name}_timestamp_seconds ");
        let value: f64 = text.split(&line).nth(1).expect(&line).lines().next().unwrap().parse().unwrap();
        assert!((0.0..600.0).contains(&(now - value + 1.0)), "{name}: {value} at {now}");
    }
}

#[tokio::main]
async fn main() {
    let provider = money::sandbox().await;
    let plan = Shop::plan().with_accounts().paid_by(&provider).own_postgres().own_rabbitmq();
    let mut shop = plan.open().await;
    for product in [LAPTOP, MOUSE] {
        let path = format!("/api/inventory/products/{product}/add-stock");
        shop.inventory().post(&path, json!({"quantity": 900_000})).await.is(200);
    }
    shop.database.execute(FILLER).await;
    // As old as most rows are: what nobody touches is in no differential backup.
    shop.database.execute("VACUUM (FREEZE) filler").await;
    let archive = Archive::begin(shop.postgres.as_mut().unwrap());
    for client in [shop.orders(), shop.inventory(), shop.accounts()] {
        poll::eventually("PostgreSQL to be back", async || {
            let ready: Value = client.get("/health/ready").await.json();
            if ready["status"] == "UP" { Ok(()) } else { Err(ready.to_string()) }
        })
        .await;
    }
    let mut drill = Drill::begin(shop, archive);
    drill.document.other("sudo -u postgres pgbackrest --stanza=oms stanza-create").await;
    drill.document.other("sudo -u postgres pgbackrest --stanza=oms check").await;
    restore_to_a_moment(&mut drill).await;
    restore_what_is_archived(&mut drill).await;
    assert_measured(&drill).await;
    drill.document.assert_all_ran();
    let size = drill.shop.database.number("SELECT pg_database_size(current_database())").await;
    let wal = drill.archive.bytes_of_wal();
    drill.figure("database, and WAL in the archive", format!("{} MB, {} MB", size / 1_000_000, wal / 1_000_000));
    println!("\n| | |\n|---|---|");
    drill.figures.iter().for_each(|(what, value)| println!("| {what} | {value} |"));
}
