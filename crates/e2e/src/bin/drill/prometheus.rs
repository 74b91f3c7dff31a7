//! A Prometheus of the drill's own, with the rules of `deploy/` in a twentieth of their time.

use e2e::client::Client;
use e2e::environment::workspace;
use e2e::poll;
use e2e::shop::Shop;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use testbed::ports;

/// By how much windows and waiting times are divided.
pub const FASTER: u64 = 20;

/// Ages in expressions: as they are written, and a twentieth of them.
const AGES: [(&str, &str); 3] = [
    ("(outbox_oldest_seconds) > 30\n", "(outbox_oldest_seconds) > 1.5\n"),
    ("(notifications_oldest_queued_seconds) > 900\n", "(notifications_oldest_queued_seconds) > 45\n"),
    ("(auth_keys_fetched_timestamp_seconds) > 7200\n", "(auth_keys_fetched_timestamp_seconds) > 360\n"),
];

/// Ended when it is dropped.
pub struct Prometheus {
    process: Child,
    client: Client,
}

impl Prometheus {
    /// Scrapes the services and the broker of the shop every second.
    pub async fn start(shop: &Shop, folder: &Path) -> Self {
        let mut config = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n\
                          rule_files: [alerts.yml, recording.yml]\nscrape_configs:\n"
            .to_owned();
        for file in ["alerts.yml", "recording.yml"] {
            let text = std::fs::read_to_string(workspace().join("deploy/prometheus/rules").join(file)).unwrap();
            std::fs::write(folder.join(file), faster(&text)).unwrap();
        }
        let services = [
            ("order-service", &shop.order_services),
            ("inventory-service", &shop.inventory_services),
            ("account-service", &shop.account_services),
        ];
        let mut scrape = |job: &str, port: u16, more: &str| {
            writeln!(config, "- {{job_name: {job}, {more}static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}")
                .unwrap();
        };
        for (job, processes) in services {
            scrape(job, processes[0].port(), "");
        }
        let rabbitmq = shop.rabbitmq.as_ref().unwrap().metrics_port();
        scrape("rabbitmq", rabbitmq, "");
        let queues =
            "metrics_path: /metrics/detailed, params: {family: [queue_coarse_metrics, queue_consumer_count]}, ";
        scrape("rabbitmq-queues", rabbitmq, queues);
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let port = ports::free_port().unwrap();
        let log = std::fs::File::create(folder.join("prometheus.log")).unwrap();
        let process = Command::new("prometheus")
            .current_dir(folder)
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start prometheus: {error}"));
        let prometheus = Self { process, client: Client::new(format!("http://127.0.0.1:{port}")) };
        poll::eventually("Prometheus", async || match prometheus.client.get("/-/ready").attempt().await {
            Ok(answer) if answer.status == 200 => Ok(()),
            _ => Err("not ready".to_owned()),
        })
        .await;
        prometheus
    }

    /// The alerts that fire.
    pub async fn firing(&self) -> BTreeSet<String> {
        self.alerts("firing").await.iter().map(|labels| labels["alertname"].as_str().unwrap().to_owned()).collect()
    }

    /// Whether the waiting time of an alert has begun.
    pub async fn is_about_to_fire(&self) -> bool {
        !self.alerts("pending").await.is_empty()
    }

    /// The services that an alert fires for.
    pub async fn jobs(&self, alert: &str) -> Vec<String> {
        let alerts = self.alerts("firing").await.into_iter().filter(|labels| labels["alertname"] == alert);
        alerts.filter_map(|labels| labels["job"].as_str().map(str::to_owned)).collect()
    }

    /// The labels of the alerts in this state.
    async fn alerts(&self, state: &str) -> Vec<Value> {
        let answer = self.client.get("/api/v1/alerts").await.is(200).json();
        let alerts = answer["data"]["alerts"].as_array().unwrap().iter();
        alerts.filter(|alert| alert["state"] == state).map(|alert| alert["labels"].clone()).collect()
    }

    /// Whether a query finds anything, or what Prometheus says against it.
    pub async fn finds(&self, query: &str) -> Result<bool, String> {
        let query: String =
            reqwest::Url::parse_with_params("http://x/api/v1/query", [("query", query)]).unwrap().into();
        let answer = self.client.get(query.trim_start_matches("http://x")).await;
        let json: Value = serde_json::from_str(&answer.text).unwrap();
        match json["data"]["result"].as_array() {
            Some(found) => Ok(!found.is_empty()),
            None => Err(answer.text),
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It keeps nothing that is needed afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The rules with every window and waiting time divided.
fn faster(rules: &str) -> String {
    let mut text = rules.to_owned();
    for (age, faster) in AGES {
        text = text.replace(age, faster);
    }
    let mut lines = String::new();
    for line in text.lines() {
        let line = match line.split_once("for: ") {
            Some((before, time)) if before.trim().is_empty() => format!("{before}for: {}", divided(time)),
            _ => with_windows_divided(line),
        };
        lines += &line;
        lines.push('\n');
    }
    lines
}

fn with_windows_divided(line: &str) -> String {
    let mut parts = line.split('[');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push('[');
        match part.split_once(']') {
            // [5m], [10m:30s]; [.] in the text of a matcher is none.
            Some((window, rest)) if window.starts_with(|c: char| c.is_ascii_digit()) => {
                let times: Vec<String> = window.split(':').map(divided).collect();
                text += &format!("{}]{rest}", times.join(":"));
            }
            _ => text += part,
        }
    }
    text
}

fn divided(time: &str) -> String {
    let (number, unit) = time.split_at(time.len() - 1);
    let unit = match unit {
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        _ => panic!("{time} is no time"),
    };
    format!("{}ms", number.parse::<u64>().unwrap() * unit / FASTER)
}
