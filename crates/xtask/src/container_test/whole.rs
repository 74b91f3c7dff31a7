//! The whole system as docker-compose.yml describes it: placed orders, five order-services, and an end in order.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::podman::Podman;
use testbed::error::{Result, TestbedError};
use testbed::poll;
use testbed::process::output_of;
use testbed::step::Steps;

const GATEWAY: &str = "http://127.0.0.1:8080";

/// How long what is awaited may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts everything, scales order-service up and down under load, and stops everything.
pub fn judge(podman: &Podman, checkout: &std::path::Path, steps: &Steps) -> Result<()> {
    let whole = Whole { podman, checkout, _engine: Engine::start(podman)? };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| run_health_checks(podman, &over));
        let outcome = whole.judge(steps);
        let outcome = outcome.map_err(|cause| cause.with_details(&whole.logs()));
        let down = whole.compose(&["down", "--volumes"]);
        over.store(true, Ordering::Relaxed);
        outcome.and(down.map(drop))
    })
}

/// podman as a Docker engine, which docker-compose talks to.
struct Engine(Child);

impl Engine {
    fn start(podman: &Podman) -> Result<Self> {
        let mut command = podman.inside("podman");
        command.args(["system", "service", "--time=0"]).arg(podman.socket());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|cause| TestbedError::new(format!("cannot run podman: {cause}")))?;
        let engine = Self(child);
        let socket = podman.folder().join("podman.sock");
        poll::until(PATIENCE, "podman's service", || Ok(socket.exists().then_some(())))?;
        Ok(engine)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the HEALTHCHECK of every container again and again, as an engine does: podman leaves it to systemd.
fn run_health_checks(podman: &Podman, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let names = podman.run(&["ps", "--format={{.Names}}"]).unwrap_or_default();
        for name in names.lines() {
            // Whether it is well stands in what podman knows of the container.
            let _ = podman.run(&["healthcheck", "run", name]);
        }
        poll::came_true(Duration::from_secs(1), || over.load(Ordering::Relaxed));
    }
}

struct Whole<'a> {
    podman: &'a Podman,
    checkout: &'a std::path::Path,
    _engine: Engine,
}

impl Whole<'_> {
    fn judge(&self, steps: &Steps) -> Result<()> {
        let since = Instant::now();
        self.compose(&["config", "--quiet"])?;
        self.compose(&["up", "--detach", "--no-build"])?;
        let mut said = String::new();
        let answered = poll::until(PATIENCE, "the gateway", || {
            let answer = self.call("/health/live", &[]);
            said = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
            Ok(answer.ok())
        });
        answered.map_err(|cause| cause.with_details(&said))?;
        steps.done("docker-compose up: everything is well", since);
        self.is_published_alone()?;

        let json = ["--header", "Content-Type: application/json", "--data", r#"{"quantity":100000}"#];
        self.call("/api/inventory/products/1/add-stock", &json)?;
        self.order("first")?;
        poll::until(PATIENCE, "the first order to be CONFIRMED", || {
            let order = self.call("/api/orders/1", &[])?;
            Ok(order.contains("\"status\":\"CONFIRMED\"").then_some(()))
        })?;
        for path in ["/api/admin/invariants", "/metrics", "/api/inventory/reservations"] {
            if self.call(path, &[]).is_ok() {
                return Err(TestbedError::new(format!("{path} is reachable through the gateway")));
            }
        }
        steps.say("an order placed through the gateway is CONFIRMED");

        self.scale(5)?;
        let since = Instant::now();
        let instances = self.order_services()?;
        if instances.len() != 5 {
            return Err(TestbedError::new(format!("there are {} order-services", instances.len())));
        }
        poll::until(PATIENCE, "requests to reach all five order-services", || {
            for _ in 0..10 {
                self.call("/api/orders?limit=1", &[])?;
            }
            Ok((self.asked(50)? == instances).then_some(()))
        })?;
        steps.done("requests reach all five order-services", since);

        let over = AtomicBool::new(false);
        let placed = std::thread::scope(|scope| {
            let placing = scope.spawn(|| {
                let mut placed = 0;
                while !over.load(Ordering::Relaxed) {
                    self.order(&format!("while-scaling-{placed}"))?;
                    placed += 1;
                }
                Ok::<u32, TestbedError>(placed)
            });
            let scaled = self.scale(2);
            over.store(true, Ordering::Relaxed);
            let placed = placing.join().map_err(|_| TestbedError::new("placing orders panicked"))?;
            scaled.and(placed)
        })?;
        steps.say(&format!("five became two while {placed} orders were placed, and each was answered with 201"));
        let waiting = || -> Result<Option<()>> {
            let page = self.call("/api/orders?status=PENDING&limit=1", &[])?;
            Ok((!page.contains("\"orderNumber\"")).then_some(()))
        };
        poll::until(PATIENCE, "all orders to be CONFIRMED", waiting)?;

        let since = Instant::now();
        self.compose(&["stop", "gateway", "order-service", "inventory-service", "account-service"])?;
        let ended = self.podman.run(&["ps", "--all", "--filter=status=exited", "--format={{.Names}} {{.ExitCode}}"])?;
        let bad = ended.lines().find(|line| !line.ends_with(" 0"));
        match (bad, ended.lines().count()) {
            (None, 4..) => steps.done("docker-compose stop: all ended with 0", since),
            (Some(line), _) => return Err(TestbedError::new(format!("ended otherwise than with 0: {line}"))),
            (None, count) => return Err(TestbedError::new(format!("only {count} have ended: {ended}"))),
        }
        Ok(())
    }

    fn compose(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("docker-compose");
        command.args(["--project-name=oms", "--file"]).arg(self.checkout.join("docker-compose.yml"));
        command.env("DOCKER_HOST", self.podman.socket()).env("COMPOSE_HTTP_TIMEOUT", "300");
        output_of(command.env_remove("MAIL_FROM_ADDRESS").args(words).current_dir(self.checkout))
    }

    fn scale(&self, count: u32) -> Result<()> {
        let scale = format!("order-service={count}");
        self.compose(&["up", "--detach", "--no-build", "--no-recreate", "--scale", &scale]).map(drop)
    }

    /// Calls the gateway; an error unless it answers with 2xx.
    fn call(&self, path: &str, words: &[&str]) -> Result<String> {
        let mut curl = self.podman.inside("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "30"]).args(words);
        let output = curl.arg(format!("{GATEWAY}{path}")).stdin(Stdio::null()).output();
        let output = output.map_err(|cause| TestbedError::new(format!("cannot run curl: {cause}")))?;
        let body = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(body),
            false => {
                Err(TestbedError::new(format!("{path}: {} {body}", String::from_utf8_lossy(&output.stderr).trim())))
            }
        }
    }

    fn order(&self, key: &str) -> Result<()> {
        let key = format!("Idempotency-Key: {key}");
        let body = r#"{"customerName":"Ada Lovelace","customerEmail":"ada@example.com",
            "shippingAddress":"12 Saint James Square, London","items":[{"productId":1,"quantity":1}]}"#;
        let words = ["--header", &key, "--header", "Content-Type: application/json", "--data", body];
        self.call("/api/orders", &words).map(drop)
    }

    /// Where the order-services listen.
    fn order_services(&self) -> Result<BTreeSet<String>> {
        let names = self.podman.run(&["ps", "--filter=name=oms_order-service", "--format={{.Names}}"])?;
        let address = |name: &str| {
            let format = "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
            self.podman.run(&["inspect", format, name]).map(|address| format!("{address}:8081"))
        };
        names.lines().map(address).collect()
    }

    /// The instances that the last requests went to, as the gateway logs them.
    fn asked(&self, requests: usize) -> Result<BTreeSet<String>> {
        let log = self.podman.run(&["logs", &format!("--tail={requests}"), "oms_gateway_1"])?;
        let lines = log.lines().filter(|line| line.contains("\"path\":\"/api/orders\""));
        let instance =
            |line: &str| line.split("\"instance\":\"").nth(1).and_then(|it| it.split('"').next()).map(str::to_owned);
        Ok(lines.filter_map(instance).collect())
    }

    fn is_published_alone(&self) -> Result<()> {
        let ports = self.podman.run(&["ps", "--format={{.Names}}={{.Ports}}"])?;
        let published: Vec<&str> = ports.lines().filter(|line| line.contains("->")).collect();
        match published[..] {
            ["oms_gateway_1=127.0.0.1:8080->8080/tcp"] => Ok(()),
            _ => Err(TestbedError::new(format!("other ports than the gateway's are published: {ports}"))),
        }
    }

    fn logs(&self) -> String {
        let names = self.podman.run(&["ps", "--all", "--format={{.Names}} {{.Status}}"]).unwrap_or_default();
        let log = |name: &str| {
            let output = self.podman.inside("podman").args(["logs", "--tail=4", name]).output();
            output.map(|it| String::from_utf8_lossy(&[it.stdout, it.stderr].concat()).into_owned()).unwrap_or_default()
        };
        let named = |line: &str| format!("{line}\n{}", log(line.split(' ').next().unwrap_or_default()));
        names.lines().map(named).collect()
    }
}
