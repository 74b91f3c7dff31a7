//! What backs the database up, as far as it can be judged without a restore: `cargo xtask restore-drill` makes one.

use e2e::environment::{Environment, folder_of_test, workspace};
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, text};
use e2e::shop::Shop;
use serde_json::json;
use shared_types::topology::QUEUES;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use testbed::postgres;

/// The most that systemd may say against the sandbox of a unit: 0 is closed, 10 is open.
const EXPOSURE: &str = "15";

/// Runs a program; gives what it said, and fails the test where it fails.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}, run `cargo xtask test`: {error}"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}:\n{said}");
    said
}

fn deployed(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workspace().join("deploy").join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let found: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| endings.iter().any(|ending| it == *ending))).collect();
    assert!(!found.is_empty(), "there is nothing in {folder}");
    found
}

/// What `metrics.sql` shows where pgbackrest says this.
fn measured(name: &str, info: &serde_json::Value) -> String {
    let folder = folder_of_test(Environment::get()).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let pgbackrest = folder.join("pgbackrest");
    let asked = "test \"$*\" = '--stanza=oms --output=json info'";
    std::fs::write(&pgbackrest, format!("#!/bin/sh\n{asked} && echo '{info}'\n")).unwrap();
    std::fs::set_permissions(&pgbackrest, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut psql = postgres::find_programs(None).unwrap().command("psql");
    psql.env("PATH", path).args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &Environment::get().database_url]);
    run(psql.arg("-f").arg(workspace().join("deploy/backup/metrics.sql")))
}

fn backup(kind: &str, stop: i64, error: bool) -> serde_json::Value {
    json!({
        "type": kind, "error": error, "timestamp": {"start": stop - 60, "stop": stop},
        "info": {"size": 9_000_000, "repository": {"delta": 1_000_000, "size": 2_000_000}},
    })
}

#[test]
fn pgbackrest_understands_its_configuration() {
    let folder = folder_of_test(Environment::get());
    let config = std::fs::read_to_string(workspace().join("deploy/backup/pgbackrest.conf")).unwrap();
    let repository = folder.join("repository").display().to_string();
    let here = config.replace("/var/lib/pgbackrest", &repository).replace("/var/spool/pgbackrest", &repository);
    assert_ne!(config, here);
    std::fs::write(folder.join("pgbackrest.conf"), here).unwrap();
    // What it does not know it warns of, and goes on.
    let mut info = Command::new("pgbackrest");
    info.args(["--stanza=oms", "--output=json", "info", "--config"]).arg(folder.join("pgbackrest.conf"));
    let said = run(&mut info);
    assert!(!said.contains("WARN"), "{said}");
    assert!(said.contains(r#""name":"oms""#) && said.contains(r#""cipher":"aes-256-cbc""#), "{said}");
}

#[test]
fn postgresql_knows_its_settings() {
    let text = std::fs::read_to_string(workspace().join("deploy/backup/postgresql.conf")).unwrap();
    let names: BTreeSet<&str> = text.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    assert!(names.contains("archive_command") && names.contains("archive_timeout"), "{names:?}");
    for name in names {
        let mut psql = postgres::find_programs(None).unwrap().command("psql");
        run(psql.args(["-XAtc", &format!("SHOW {name}"), &Environment::get().database_url]));
    }
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let folder = folder_of_test(Environment::get());
    let mut units = Vec::new();
    for path in [deployed("systemd", &["service"]), deployed("backup", &["service", "timer"])].concat() {
        let text = std::fs::read_to_string(&path).unwrap();
        // The binaries of the services are not installed here. Of a template its instance is judged.
        let lines = text.lines().map(|line| match line.strip_prefix("ExecStart=/usr/local/bin/") {
            Some(_) => "ExecStart=/bin/true",
            None => line,
        });
        let name = path.file_name().unwrap().to_str().unwrap();
        let copy = lines.collect::<Vec<_>>().join("\n");
        for name in [name.to_owned(), name.replace("@.", "@full."), name.replace("@.", "@diff.")] {
            std::fs::write(folder.join(&name), &copy).unwrap();
            if !name.contains("@.") && !units.contains(&name) {
                units.push(name);
            }
        }
    }
    let analyze = |arguments: &[&str]| run(Command::new("systemd-analyze").current_dir(&folder).args(arguments));
    let in_folder: Vec<String> = units.iter().map(|name| format!("./{name}")).collect();
    let judged: Vec<&str> = in_folder.iter().map(String::as_str).collect();
    let said = analyze(&[&["verify"], &judged[..]].concat());
    assert!(!units.iter().any(|name| said.contains(name)), "{said}");
    for unit in judged {
        let text = std::fs::read_to_string(folder.join(unit)).unwrap();
        match text.split("\nOnCalendar=").nth(1) {
            Some(rest) => analyze(&["calendar", rest.lines().next().unwrap()]),
            None => analyze(&["security", "--offline=true", "--threshold", EXPOSURE, unit]),
        };
    }
}

#[test]
fn what_is_measured_is_what_pgbackrest_says() {
    let backups = [backup("full", 1000, false), backup("diff", 2000, false), backup("full", 3000, true)];
    let text = measured("some", &json!([{"name": "oms", "backup": backups}]));
    for line in [
        "pgbackrest_backup_last_full_timestamp_seconds 1000",
        "pgbackrest_backup_last_timestamp_seconds 2000",
        "pgbackrest_backup_bytes 2000000",
    ] {
        assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
    }
    assert!(text.contains("\npgbackrest_wal_waiting_timestamp_seconds "), "{text}");
    let path = folder_of_test(Environment::get()).join("oms-backup.prom");
    std::fs::write(&path, &text).unwrap();
    run(Command::new("promtool").args(["check", "metrics"]).stdin(std::fs::File::open(&path).unwrap()));
    // No number stands for what there is none of: an alert asks for what is absent.
    let none = measured("none", &json!([{"name": "oms", "backup": [], "status": {"code": 2}}]));
    assert!(!none.contains("pgbackrest_backup"), "{none}");
    assert!(none.contains("\npgbackrest_wal_waiting_timestamp_seconds "), "{none}");
}

#[test]
fn every_metric_of_the_backups_is_measured() {
    let text = std::fs::read_to_string(workspace().join("deploy/backup/metrics.sql")).unwrap();
    let named = |folder: &str, file: &str| {
        let text = std::fs::read_to_string(workspace().join("deploy").join(folder).join(file)).unwrap();
        let names = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        names.filter(|name| name.starts_with("pgbackrest_")).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let shown = named("grafana/dashboards", "database-and-broker.json");
    assert_eq!(shown, text.split('\'').filter(|it| it.starts_with("pgbackrest_")).map(str::to_owned).collect());
    assert!(named("prometheus/rules", "alerts.yml").is_subset(&shown));
}

/// Waits until all that happened is published.
async fn is_published(shop: &Shop, schema: &str) {
    poll::eventually("the outbox to be published", async || {
        poll::equal(shop.database.number(format!("SELECT count(*) FROM {schema}.outbox")).await, 0)
    })
    .await;
}

#[tokio::test]
async fn what_was_under_way_when_the_queues_were_lost_is_announced_again() {
    let mut shop = Shop::open().await;
    let place = async |shop: &Shop| {
        let placed = shop.place(&[(LAPTOP, 1), (MOUSE, 2)]).await;
        (int(&placed["id"]), text(&placed["reference"]).to_owned())
    };
    let [cancelled, shipped] = [place(&shop).await, place(&shop).await];
    for (id, _) in [&cancelled, &shipped] {
        shop.order_becomes(*id, "CONFIRMED").await;
    }
    // Consumers stand still: what is published waits in its queue.
    let orders = shop.database.lock("LOCK TABLE orders.inbox IN EXCLUSIVE MODE").await;
    let committed = place(&shop).await;
    shop.reservation_becomes(&committed.1, "COMMITTED").await;
    is_published(&shop, "inventory").await;
    let inventory = shop.database.lock("LOCK TABLE inventory.inbox IN EXCLUSIVE MODE").await;
    let [created, released] = [place(&shop).await, place(&shop).await];
    shop.orders().post(&format!("/api/orders/{}/cancel", cancelled.0), json!({})).await.is(200);
    shop.orders().put(&format!("/api/orders/{}/status", shipped.0), json!({"status": "SHIPPED"})).await.is(200);
    shop.inventory().post(&format!("/api/inventory/reservations/{}/release", released.1), json!({})).await.is(200);
    is_published(&shop, "orders").await;
    is_published(&shop, "inventory").await;
    shop.services().for_each(|service| service.kill());
    for queue in QUEUES {
        shop.broker().delete(queue.name).await;
    }
    orders.rollback().await.unwrap();
    inventory.rollback().await.unwrap();

    let mut psql = postgres::find_programs(None).unwrap().command("psql");
    psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", shop.database.url(), "-f"]);
    let said = run(psql.arg(workspace().join("deploy/backup/after-restore.sql")));
    let events = ["order.cancelled|1", "order.created|1", "order.shipped|1"];
    let of_stock = ["reservation.committed|1", "reservation.refused|1"];
    assert_eq!(said.lines().collect::<Vec<_>>(), [&events[..], &of_stock].concat());
    for service in shop.services() {
        service.start().await;
    }
    for (id, _) in [&created, &committed] {
        shop.order_becomes(*id, "CONFIRMED").await;
    }
    shop.order_becomes(released.0, "CANCELLED").await;
    shop.assert_invariants().await;
    let (newest, _) = place(&shop).await;
    assert!(newest > released.0 + 999_999, "{newest} may have been given out before");
}
