//! `cargo xtask host-test`: what the documents tell people to do on a host with systemd is done, line by line, on one.

mod document;
mod load;
mod machine;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cargo::{self, SERVICES};
use crate::debian;
use crate::workspace::Workspace;
use document::Document;
use load::Load;
use machine::Machine;
use testbed::error::{Result, TestbedError};
use testbed::poll;
use testbed::run_folder::RunFolder;
use testbed::step::Steps;

/// The units that the documents install.
const UNITS: [&str; 5] = ["order-service", "inventory-service", "account-service", "oms-gateway", "oms-internal"];

/// The worst rating by `systemd-analyze security`: 0 is locked up, 10 is root.
const WORST: f64 = 1.5;

/// How long a unit may take to be well again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which builds are used; those that are not named are built here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Builds {
    /// A folder with the release binaries.
    pub binaries: Option<PathBuf>,
    /// A folder with those of the release before, which the host begins with.
    pub before: Option<PathBuf>,
}

/// Boots a Debian, does what the documents say, and breaks it. Everything is taken away at the end.
pub fn run(workspace: &Workspace, builds: &Builds) -> Result<u8> {
    debian::ask_for_root("host-test")?;
    let steps = Steps::begin("a host with systemd");
    let folder = RunFolder::make(&workspace.run_folder(), "host", false, &steps)?;
    debian::install(&machine::PROGRAMS, &folder.path().join("install.log"), &steps)?;
    let hosts = Document::read(&workspace.root, "docs/hosts.md")?;
    let gateway = Document::read(&workspace.root, "docs/gateway.md")?;
    let failover = Document::read(&workspace.root, "docs/failover.md")?;
    let binaries = match &builds.binaries {
        Some(folder) => folder.clone(),
        None => build(workspace, &hosts, &steps)?,
    };
    let since = Instant::now();
    let mut machine = Machine::make(folder.path())?;
    machine.copy(&workspace.root.join("deploy"), "/root/oms")?;
    put_binaries(&machine, builds.before.as_ref().unwrap_or(&binaries))?;
    machine.boot()?;
    steps.done("a Debian made and booted", since);

    for (document, heading) in [
        (&hosts, "PostgreSQL and RabbitMQ"),
        (&hosts, "The services"),
        (&gateway, "On a host"),
        (&failover, "TLS to inventory-service"),
    ] {
        follow(&machine, document, heading, &steps)?;
    }
    for unit in UNITS {
        is_well(&machine, unit)?;
    }
    for heading in ["The first administrator", "Whether it works"] {
        let said = follow(&machine, &hosts, heading, &steps)?;
        if heading == "Whether it works" && !said.contains("\"CONFIRMED\"") {
            return Err(TestbedError::new(format!("the order is not CONFIRMED:\n{said}")));
        }
    }
    judge_security(&machine, &steps)?;
    judge_reload(&machine, &steps)?;

    let load = Load::begin(&machine)?;
    for unit in UNITS {
        let since = Instant::now();
        let before = first_pid(&machine, unit)?;
        machine.run(&format!("systemctl kill --kill-who=main --signal=KILL {unit}"))?;
        poll::until(PATIENCE, unit, || Ok((first_pid(&machine, unit)? != before).then_some(())))?;
        is_well(&machine, unit)?;
        steps.done(&format!("{unit} is well again after kill -9"), since);
    }
    for unit in UNITS {
        let since = Instant::now();
        machine.run(&format!("systemctl restart {unit}"))?;
        is_well(&machine, unit)?;
        steps.done(&format!("{unit} is well again after a restart"), since);
    }
    put_binaries(&machine, &binaries)?;
    let before = migrations(&machine)?;
    follow(&machine, &hosts, "Another release", &steps)?;
    for service in SERVICES {
        is_well(&machine, service)?;
        machine.run(&format!("cmp /proc/{}/exe target/release/{service}", first_pid(&machine, service)?))?;
    }
    steps.say(&format!("the schema has {} migrations, before it had {before}", migrations(&machine)?));
    load.end(&machine, &steps)?;
    drop(machine);
    folder.end(false, &steps);
    steps.say("all is well, and everything is taken away");
    Ok(0)
}

/// Builds the services as the document says.
fn build(workspace: &Workspace, hosts: &Document, steps: &Steps) -> Result<PathBuf> {
    let since = Instant::now();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-ec", &hosts.lines_below("Build")?]).current_dir(&workspace.root).env("SQLX_OFFLINE", "true");
    cargo::run(&mut shell, "the build")?;
    steps.done("services built", since);
    Ok(workspace.folder(crate::workspace::Profile::Release))
}

fn put_binaries(machine: &Machine, from: &Path) -> Result<()> {
    SERVICES.iter().try_for_each(|service| machine.copy(&from.join(service), "/root/oms/target/release"))
}

/// Runs the lines below a heading.
fn follow(machine: &Machine, document: &Document, heading: &str, steps: &Steps) -> Result<String> {
    let since = Instant::now();
    let said = machine.run(&document.lines_below(heading)?)?;
    steps.done(&format!("the lines below `{heading}` work"), since);
    Ok(said)
}

fn first_pid(machine: &Machine, unit: &str) -> Result<String> {
    let pid = machine.run(&format!("systemctl show --property=MainPID --value {unit}"))?;
    Ok(pid.trim().to_owned())
}

/// How many migrations the tables of all services have.
fn migrations(machine: &Machine) -> Result<String> {
    let of = |schema| format!("SELECT version FROM {schema}._sqlx_migrations");
    let all = ["orders", "inventory", "accounts"].map(of).join(" UNION ALL ");
    let count =
        machine.run(&format!("sudo -u postgres psql -At oms -c 'SELECT count(*) FROM ({all}) AS all_of_them'"))?;
    Ok(count.trim().to_owned())
}

/// Waits until a unit runs and takes requests, its dependencies included.
fn is_well(machine: &Machine, unit: &str) -> Result<()> {
    let url = match unit {
        "order-service" => "http://localhost:8081/health/ready",
        "inventory-service" => "http://localhost:8082/health/ready",
        "account-service" => "http://localhost:8083/health/ready",
        "oms-internal" => "--cacert /etc/oms-internal/certificate.pem https://localhost:8444/health/live",
        _ => "http://localhost:8080/health/live",
    };
    let ask = format!("systemctl is-active --quiet {unit}\ncurl --fail --silent {url} | grep '^{{\"status\":\"UP\"'");
    let outcome = poll::until(PATIENCE, &format!("{unit} to be well"), || Ok(machine.run(&ask).ok()));
    outcome.map(drop).map_err(|cause| {
        let log = machine.run(&format!("systemctl status --no-pager {unit} || true; curl -sS {url} || true"));
        cause.with_details(&log.unwrap_or_default())
    })
}

/// Every unit is locked up as well as it is meant to be.
fn judge_security(machine: &Machine, steps: &Steps) -> Result<()> {
    for unit in UNITS {
        let said = machine.run(&format!("systemd-analyze security --no-pager {unit}"))?;
        let rating = said.lines().rev().find_map(|line| line.split("exposure level for").nth(1)).unwrap_or_default();
        let rating = rating.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        match rating {
            Some(rating) if rating <= WORST => steps.say(&format!("systemd-analyze security rates {unit} at {rating}")),
            _ => return Err(TestbedError::new(format!("systemd-analyze security rates {unit} at {rating:?}\n{said}"))),
        }
        let user = machine.run(&format!("stat --format=%u /proc/{}", first_pid(machine, unit)?))?;
        if user.trim() == "0" {
            return Err(TestbedError::new(format!("{unit} runs as root")));
        }
    }
    Ok(())
}

/// A gateway with a mistake in its files goes on as before, and takes them over once they are right.
fn judge_reload(machine: &Machine, steps: &Steps) -> Result<()> {
    let before = first_pid(machine, "oms-gateway")?;
    machine.run("echo mistake >>/etc/oms-gateway/limits.conf")?;
    if machine.run("systemctl reload oms-gateway 2>/dev/null").is_ok() {
        return Err(TestbedError::new("the gateway takes files with a mistake"));
    }
    is_well(machine, "oms-gateway")?;
    machine.run(
        "sed -i '$d' /etc/oms-gateway/limits.conf; sed -i '/^listen 8080;/a listen 8088;' /etc/oms-gateway/listen.conf",
    )?;
    machine.run("systemctl reload oms-gateway")?;
    poll::until(PATIENCE, "the gateway's new port", || {
        Ok(machine.run("curl --fail --silent http://localhost:8088/health/live").ok())
    })?;
    if first_pid(machine, "oms-gateway")? != before {
        return Err(TestbedError::new("the gateway was restarted by a reload"));
    }
    let log = machine.run("journalctl --no-pager --output=cat --unit=oms-gateway")?;
    if !log.contains("\"path\":\"/api/orders\",\"status\":201") {
        return Err(TestbedError::new(format!("the journal lacks the order's request:\n{log}")));
    }
    steps.say("the gateway refuses files with a mistake, and takes others over without a restart");
    Ok(())
}
