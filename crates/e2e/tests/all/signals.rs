//! What operators get beside the services: alerts with their tests, dashboards, the way of the logs. Every metric that they
//! name exists, every metric is shown, and every alert has its cases and its heading in the runbook.

mod files;
mod promql;

use self::files::{Rule, dashboards, files, panels, queries, rules, texts};
use e2e::brevo::Brevo;
use e2e::client::Client;
use e2e::environment::{Environment, folder_of_test, workspace};
use e2e::mail_server::MailServer;
use e2e::money;
use e2e::poll;
use e2e::samples::LAPTOP;
use e2e::shop::{BREVO_KEY, Shop};
use shared_types::topology::ORDER_RESERVATION_EVENTS;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Metrics of RabbitMQ's plugin rabbitmq_prometheus that rules or dashboards name.
const OF_RABBITMQ: [&str; 8] = [
    "rabbitmq_alarms_free_disk_space_watermark",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_detailed_queue_consumers",
    "rabbitmq_detailed_queue_messages",
    "rabbitmq_disk_space_available_bytes",
    "rabbitmq_disk_space_available_limit_bytes",
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_resident_memory_limit_bytes",
];

/// Metrics of deploy/backup/metrics.sql, which node_exporter shows. The module `backups` has them measured.
const OF_BACKUPS: [&str; 5] = [
    "pgbackrest_backup_bytes",
    "pgbackrest_backup_last_full_timestamp_seconds",
    "pgbackrest_backup_last_timestamp_seconds",
    "pgbackrest_wal_archived_timestamp_seconds",
    "pgbackrest_wal_waiting_timestamp_seconds",
];

/// Metrics that Prometheus makes itself.
const OF_PROMETHEUS: [&str; 2] = ["ALERTS", "up"];

/// Metrics that no dashboard shows, and why.
const NOT_SHOWN: [(&str, &str); 1] =
    [("outbox_messages_published_total", "how many events share a message is for the benchmark")];

/// Alerts that have no case in which they do not fire, and why.
const ALWAYS: [(&str, &str); 1] = [("Watchdog", "it fires for as long as alerts are on their way")];

/// Runs a program in a folder of the checkout; what it says where it fails fails the test.
#[track_caller]
fn run(folder: &str, program: &Path, arguments: &[String]) {
    let outcome = Command::new(program).current_dir(workspace().join(folder)).args(arguments).output();
    let output = outcome.unwrap_or_else(|error| panic!("no {}, run `cargo xtask test`: {error}", program.display()));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{} {arguments:?}:\n{}", program.display(), String::from_utf8_lossy(&said));
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn paths(folder: &str, ending: &str) -> Vec<String> {
    files(folder, ending).iter().map(|path| path.canonicalize().unwrap().display().to_string()).collect()
}

#[test]
fn promtool_finds_no_fault() {
    let (folder, promtool) = ("deploy/prometheus", Path::new("promtool"));
    run(folder, promtool, &words(&["check", "config", "--lint-fatal", "prometheus.yml"]));
    run(
        folder,
        promtool,
        &[words(&["check", "rules", "--lint-fatal"]), paths("deploy/prometheus/rules", ".yml")].concat(),
    );
    run(folder, promtool, &[words(&["test", "rules"]), paths("deploy/prometheus/tests", ".yml")].concat());
}

#[test]
fn amtool_finds_no_fault() {
    run("deploy/alertmanager", Path::new("amtool"), &words(&["check-config", "alertmanager.yml"]));
    let known: BTreeSet<String> = rules().into_iter().map(|rule| rule.name).collect();
    let text = texts("deploy/alertmanager", ".yml");
    let named = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.starts_with("Oms"));
    let unknown: Vec<&str> = named.filter(|name| !known.iter().any(|alert| alert.starts_with(name))).collect();
    assert_eq!(unknown, [""; 0], "alertmanager.yml names alerts that do not exist");
}

#[test]
fn one_instance_of_several_that_is_down_hides_nothing_of_the_others() {
    let text = texts("deploy/alertmanager", ".yml");
    let (_, rules) = text.split_once("inhibit_rules:").unwrap();
    let hiding: Vec<&str> = rules.split("- source_matchers: ").skip(1).collect();
    assert!(hiding.len() > 5, "the rules were not found");
    let of_one = hiding.iter().find(|rule| rule.lines().next().unwrap().contains("OmsInstanceDown"));
    assert_eq!(of_one, None);
}

#[test]
fn logs_of_the_units_of_all_colours_are_kept() {
    let config = std::fs::read_to_string(workspace().join("deploy/alloy/config.alloy")).unwrap();
    let regexes: Vec<&str> = config.lines().filter_map(|line| line.trim().strip_prefix("regex ")).collect();
    // One keeps the lines of these units, and one names their service.
    let units = r#"= "(order|inventory|account)-service(@[a-z]+)?\\.service""#;
    assert_eq!(regexes.iter().map(|regex| regex.trim()).collect::<Vec<_>>(), [units; 2]);
    assert!(config.contains("action        = \"keep\"") && !config.contains("\tmatches "));
}

#[test]
fn the_other_files_are_yaml() {
    let schemathesis = std::env::var_os("SCHEMATHESIS_BIN").unwrap_or_else(|| panic!("run `cargo xtask test`"));
    let python = Path::new(&schemathesis).with_file_name("python");
    let read = "import sys, yaml; [yaml.safe_load(open(path)) for path in sys.argv[1:]]";
    let folders = ["deploy/loki", "deploy/grafana/provisioning/datasources", "deploy/grafana/provisioning/dashboards"];
    let all: Vec<String> = folders.iter().flat_map(|folder| paths(folder, ".yml")).collect();
    run(".", &python, &[words(&["-c", read]), all].concat());
}

#[test]
fn every_alert_has_its_labels_its_heading_and_its_cases() {
    let runbook = std::fs::read_to_string(workspace().join("docs/runbook.md")).unwrap();
    let headings: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let tests = texts("deploy/prometheus/tests", ".yml");
    let alerts: Vec<Rule> = rules().into_iter().filter(|rule| rule.kind == "alert").collect();
    let mut faults = Vec::new();
    for Rule { name, text, .. } in &alerts {
        let has = |part: &str| text.contains(part);
        if !["page", "ticket", "none"].iter().any(|severity| has(&format!("severity: {severity}\n"))) {
            faults.push(format!("{name} has no severity"));
        }
        let link = format!("runbook_url: '{{{{ $externalLabels.runbook }}}}#{}'", name.to_lowercase());
        faults.extend((!has("summary: '")).then(|| format!("{name} has no summary")));
        faults.extend((!has("description: '")).then(|| format!("{name} has no description")));
        faults.extend((!has(&link)).then(|| format!("{name} has no link {link}")));
        faults.extend((!headings.contains(name.as_str())).then(|| format!("{name} has no heading in the runbook")));
        // The last word of each case: what is expected of the alert at its end.
        let query = format!("expr: 'ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}'");
        let cases: Vec<&str> = tests.split("\n  - interval: ").filter(|case| case.contains(&query)).collect();
        let fires = |case: &&&str| {
            case.contains(&format!("- labels: 'ALERTS{{alertname=\"{name}\"")) && case.contains("value: 1")
        };
        if !cases.iter().any(|case| fires(&case)) {
            faults.push(format!("{name} has no case in which it fires"));
        }
        let always = ALWAYS.iter().any(|(alert, _)| alert == name);
        if always == cases.iter().any(|case| !fires(&case)) {
            faults.push(format!("{name} has no case in which it does not fire, or is said to have none"));
        }
    }
    let known: BTreeSet<&str> = alerts.iter().map(|rule| rule.name.as_str()).collect();
    let is_alert = |heading: &&&str| !heading.contains(' ');
    let old = headings.iter().filter(is_alert).filter(|heading| !known.contains(**heading));
    faults.extend(old.map(|heading| format!("{heading} of the runbook is no alert")));
    assert_eq!(faults, [""; 0]);
}

#[test]
fn every_panel_says_what_it_shows_and_its_queries_are_sound() {
    let (mut faults, mut ids, mut rules) =
        (Vec::new(), BTreeSet::new(), "groups: [{name: queries, rules: [\n".to_owned());
    let all = dashboards();
    assert_eq!(all.len(), 5, "the dashboards");
    for (file, dashboard) in &all {
        faults.extend((dashboard["editable"] != false).then(|| format!("{file} can be edited")));
        let id = dashboard["uid"].as_str().unwrap_or_default();
        faults.extend((id.is_empty() || !ids.insert(id)).then(|| format!("{file} has no uid of its own")));
        let variables: Vec<&str> =
            dashboard["templating"]["list"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
        assert_eq!(variables, ["datasource", "job", "instance"], "{file}");
        for panel in panels(dashboard) {
            let title = panel["title"].as_str().unwrap_or_default();
            for text in [&panel["title"], &panel["description"], &panel["fieldConfig"]["defaults"]["unit"]] {
                if text.as_str().is_none_or(str::is_empty) {
                    faults.push(format!("{file}, {title}: title, description or unit is missing"));
                }
            }
            for query in panel["targets"].as_array().unwrap() {
                let query = query["expr"].as_str().unwrap();
                let ours = query.contains("job=~\"$job\",instance=~\"$instance\"");
                let others = ["rabbitmq_", "pgbackrest_", "ALERTS"].iter().any(|name| query.contains(name));
                faults
                    .extend((!ours && !others).then(|| format!("{file}, {title}: {query} names no job and instance")));
            }
            for query in queries(panel) {
                rules +=
                    &format!("{{record: 'query:{}', expr: {}}},\n", rules.lines().count(), serde_json::json!(query));
            }
        }
    }
    assert_eq!(faults, [""; 0]);
    let path = folder_of_test(Environment::get()).join("queries.yml");
    std::fs::write(&path, rules + "]}]\n").unwrap();
    run(".", Path::new("promtool"), &[words(&["check", "rules"]), vec![path.display().to_string()]].concat());
}

/// The metrics that the dashboards name.
fn shown() -> BTreeSet<String> {
    let all = dashboards();
    let queries = all.iter().flat_map(|(_, dashboard)| panels(dashboard)).flat_map(queries);
    queries.flat_map(|query| promql::metrics(&query)).collect()
}

/// The names of the metrics that the services announce, from their sources.
fn announced() -> BTreeSet<String> {
    let crates = ["service-kit", "order-service", "inventory-service", "account-service"];
    let sources = crates.map(|name| workspace().join(format!("crates/{name}/src/measures.rs")));
    let text = sources.map(|path| std::fs::read_to_string(path).unwrap()).join("\n");
    let kinds = ["counter(", "counters(", "gauge(", "histogram("];
    let measures = text.split("Measure::").skip(1).filter(|rest| kinds.iter().any(|kind| rest.starts_with(kind)));
    let names: BTreeSet<String> = measures.filter_map(|rest| rest.split('"').nth(1)).map(str::to_owned).collect();
    assert!(names.len() > 30, "the metrics were not found");
    names
}

#[test]
fn every_metric_is_on_a_dashboard() {
    let shown = shown();
    let parts = ["", "_bucket", "_count", "_sum"];
    let is_shown = |name: &str| parts.iter().any(|part| shown.contains(&format!("{name}{part}")));
    let excused = |name: &str| NOT_SHOWN.iter().any(|(excuse, _)| *excuse == name);
    let missing: Vec<String> = announced().into_iter().filter(|name| is_shown(name) == excused(name)).collect();
    assert_eq!(missing, [""; 0], "on no dashboard, or excused without need");
}

/// The names on the lines `# TYPE name kind` of what the services show, each with its kind.
async fn measured(shop: &Shop) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for client in [shop.orders(), shop.inventory(), shop.accounts()] {
        let text = client.get("/metrics").await.is(200).text;
        let typed = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        found.extend(typed.map(|(name, kind)| (name.to_owned(), kind.to_owned())));
    }
    found
}

#[tokio::test]
async fn every_metric_that_is_named_exists() {
    let (mail, brevo) = (MailServer::start().await, Brevo::start(BREVO_KEY).await);
    let provider = money::sandbox().await;
    let plan = Shop::plan().with_accounts().mail(&mail).sms(&brevo).paid_by(&provider);
    let shop = plan.own_rabbitmq().replica().open().await;
    // Histograms come with their first value.
    shop.place(&[(LAPTOP, 1)]).await;
    let (order, _) = money::placed(&shop).await;
    money::pay(&shop, order, "pm_card_visa").await.is(200);
    let announced = announced();
    let measured = poll::eventually("every metric to be there", async || {
        let measured = measured(&shop).await;
        let names: BTreeSet<String> = measured.iter().map(|(name, _)| name.clone()).collect();
        let missing: Vec<&String> = announced.difference(&names).collect();
        if missing.is_empty() { Ok(measured) } else { Err(format!("missing: {missing:?}")) }
    })
    .await;
    let parts = |(name, kind): &(String, String)| match kind.as_str() {
        "histogram" => ["bucket", "count", "sum"].iter().map(|part| format!("{name}_{part}")).collect(),
        _ => vec![name.clone()],
    };
    let rules = rules();
    let recorded = rules.iter().filter(|rule| rule.kind == "record").map(|rule| rule.name.clone());
    let ours: BTreeSet<String> = measured.iter().flat_map(parts).chain(recorded).collect();
    let tests = texts("deploy/prometheus/tests", ".yml");
    let series = tests.lines().filter_map(|line| line.trim().strip_prefix("- series: '"));
    let expressions = rules.iter().map(|rule| rule.expression.as_str()).chain(series);
    let named: BTreeSet<String> = expressions.flat_map(promql::metrics).chain(shown()).collect();
    let others: BTreeSet<String> =
        OF_RABBITMQ.into_iter().chain(OF_BACKUPS).chain(OF_PROMETHEUS).map(str::to_owned).collect();
    let unknown: Vec<&String> = named.iter().filter(|name| !ours.contains(*name) && !others.contains(*name)).collect();
    assert!(unknown.is_empty(), "no service has {unknown:?}");
    let idle: Vec<&String> = others.difference(&named).collect();
    assert!(idle.is_empty(), "nothing names {idle:?}");
    let rabbitmq = Client::new(format!("http://127.0.0.1:{}", shop.rabbitmq.as_ref().unwrap().metrics_port()));
    let queues = "/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count";
    poll::eventually("the metrics of RabbitMQ", async || {
        let text = rabbitmq.get("/metrics").await.is(200).text + &rabbitmq.get(queues).await.is(200).text;
        let missing = OF_RABBITMQ.into_iter().filter(|name| !text.contains(&format!("# TYPE {name} ")));
        let missing: Vec<&str> = missing.collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("RabbitMQ has no {missing:?}")) }
    })
    .await;
}

/// The blocks of the runbook in this language.
fn blocks(language: &str) -> Vec<String> {
    let runbook = std::fs::read_to_string(workspace().join("docs/runbook.md")).unwrap();
    let begin = format!("```{language}\n");
    let begun = runbook.split(&begin).skip(1);
    let found: Vec<String> = begun.filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect();
    assert!(!found.is_empty(), "the blocks were not found");
    found
}

#[tokio::test]
async fn every_command_of_the_runbook_works_as_it_is_written() {
    let provider = money::sandbox().await;
    let shop = Shop::plan().with_accounts().paid_by(&provider).open().await;
    let order = shop.place(&[(LAPTOP, 1)]).await;
    assert_eq!(order["id"], 1, "the order that the runbook asks about");
    let (cancelled, payment) = money::placed(&shop).await;
    assert_eq!(payment, 1, "the payment that the runbook notes as paid out");
    money::pay(&shop, cancelled, "pm_card_visa").await.is(200);
    money::cancel(&shop, cancelled).await;
    money::becomes(&shop, payment, "REFUNDED").await;
    provider.stripe().refund_fails(&provider.stripe().all_refunds()[0].id).unwrap();
    money::is_looked_at(&shop, payment).await;
    money::becomes(&shop, payment, "CAPTURED").await;
    shop.broker().send(ORDER_RESERVATION_EVENTS.name, "no event").await;
    let letter = shop.orders().dead_letters("", 1).await.remove(0);
    assert_eq!(letter["id"], 1, "the letter that the runbook asks about");
    for query in blocks("sql") {
        sqlx::raw_sql(sqlx::AssertSqlSafe(query.clone())).execute(shop.database.pool()).await.expect(&query);
    }
    let services = [("8081", shop.orders()), ("8082", shop.inventory()), ("8083", shop.accounts())];
    for commands in blocks("sh") {
        let here = services
            .iter()
            .fold(commands, |text, (port, client)| text.replace(&format!("http://localhost:{port}"), client.base()));
        let script = format!("set -eu\n{here}");
        let ran = tokio::task::spawn_blocking(move || {
            run(".", Path::new("bash"), &words(&["-o", "pipefail", "-c", &script]))
        });
        ran.await.unwrap();
    }
}
