//! Seeing which programs are missing, and how they can be had on this machine.

mod apt;
mod docker;
pub mod from_pypi;
pub mod newman;

use std::path::Path;
use std::time::Instant;

use testbed::error::{Result, TestbedError};
use testbed::process;
use testbed::step::Steps;
use testbed::{fleet, gateway, postgres, rabbitmq};

pub use apt::Apt;
pub use docker::Docker;

/// A program that a command needs, named as people know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The PostgreSQL server programs.
    Postgres,
    RabbitMq,
    /// A browser that some tests look at pages with.
    Chromium,
    /// Node.js and its package manager, which newman comes by.
    Npm,
    /// Python with its virtual environments, which programs from PyPI come by.
    Python,
    /// What puts the load on for the benchmark.
    Wrk,
    /// Prometheus, with the program that judges alerts and their tests.
    Prometheus,
    /// Alertmanager, with the program that judges its configuration.
    Alertmanager,
    /// What the gateway is made of.
    Nginx,
    /// What backs PostgreSQL up.
    PgBackRest,
    /// What chooses the primary of several PostgreSQL.
    Patroni,
    /// Where Patroni keeps who that is.
    Etcd,
    /// What leads to the primary.
    Haproxy,
}

impl Need {
    /// The Debian package it comes in.
    pub fn package(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::RabbitMq => "rabbitmq-server",
            Self::Chromium => "chromium",
            Self::Npm => "npm",
            Self::Python => "python3-venv",
            Self::Wrk => "wrk",
            Self::Prometheus => "prometheus",
            Self::Alertmanager => "prometheus-alertmanager",
            Self::Nginx => "nginx",
            Self::PgBackRest => "pgbackrest",
            Self::Patroni => "patroni",
            Self::Etcd => "etcd-server",
            Self::Haproxy => "haproxy",
        }
    }

    /// The service of docker-compose.yml that stands in for it.
    pub fn compose_service(self) -> Option<&'static str> {
        match self {
            Self::Postgres => Some("postgres"),
            Self::RabbitMq => Some("rabbitmq"),
            _ => None,
        }
    }

    /// Whether it is missing.
    pub fn is_missing(self) -> bool {
        match self {
            Self::Postgres => postgres::find_programs(None).is_err(),
            Self::RabbitMq => rabbitmq::find_programs().is_err(),
            Self::Chromium => !["chromium", "chromium-browser", "google-chrome"].into_iter().any(is_on_path),
            Self::Npm => !is_on_path("npm"),
            Self::Python => !is_on_path("python3"),
            Self::Wrk => !is_on_path("wrk"),
            Self::Prometheus => !is_on_path("promtool"),
            Self::Alertmanager => !is_on_path("amtool"),
            Self::Nginx => gateway::find_program().is_err(),
            Self::PgBackRest => !is_on_path("pgbackrest"),
            Self::Patroni => fleet::find_program("patroni").is_err(),
            Self::Etcd => fleet::find_program("etcd").is_err(),
            Self::Haproxy => fleet::find_program("haproxy").is_err(),
        }
    }
}

/// The names of the needs, for sentences.
pub fn names(needs: &[Need]) -> String {
    let packages: Vec<&str> = needs.iter().map(|it| it.package()).collect();
    packages.join(", ")
}

/// The error that says what to install by hand.
pub fn ask_for(needs: &[Need]) -> TestbedError {
    let packages: Vec<&str> = needs.iter().map(|it| it.package()).collect();
    let packages = packages.join(" ");
    TestbedError::new(format!(
        "missing: {}. Do one of these and run the command again:\n\
         \x20 Debian, Ubuntu   sudo apt-get install --no-install-recommends {packages}\n\
         \x20 macOS            brew install {}\n\
         \x20 Docker           start a Docker engine (only `cargo xtask up` can use it)\n\
         \x20 your own servers set DATABASE_URL and AMQP_URL (only `cargo xtask up` can use them)",
        names(needs),
        packages.replace("rabbitmq-server", "rabbitmq").replace("postgresql", "postgresql@17"),
    ))
}

/// Which of the needs are missing.
pub fn missing(needs: &[Need]) -> Vec<Need> {
    needs.iter().copied().filter(|need| need.is_missing()).collect()
}

/// Installs the needs with apt-get, its output going to `log`; nothing to do where there are none.
pub fn with_apt(apt: &Apt, needs: &[Need], log: &Path, steps: &Steps) -> Result<()> {
    if needs.is_empty() {
        return Ok(());
    }
    let since = Instant::now();
    steps.say(&format!("installing {} with apt-get", names(needs)));
    let packages: Vec<&str> = needs.iter().map(|it| it.package()).collect();
    apt.install(&packages, log).map_err(|cause| {
        cause.while_doing(&format!("cannot install {}", names(needs))).with_details(&process::tail(log, 20))
    })?;
    steps.done(&format!("installed {}", names(needs)), since);
    Ok(())
}

/// Installs what is missing of the needs, or says what to install by hand.
pub fn what_is_missing(needs: &[Need], log: &Path, steps: &Steps) -> Result<()> {
    let missing = missing(needs);
    match (missing.is_empty(), Apt::find()) {
        (true, _) => Ok(()),
        (false, Some(apt)) => with_apt(&apt, &missing, log, steps),
        (false, None) => Err(ask_for(&missing)),
    }
}

/// Installs the Debian packages of the programs that are missing, each given with its package; for commands that run on Debian
/// alone. A program that is not for people is given with its path.
pub fn programs(wanted: &[(&str, &'static str)], log: &Path, steps: &Steps) -> Result<()> {
    let missing = wanted.iter().filter(|(program, _)| !is_on_path(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let (since, names) = (Instant::now(), packages.join(", "));
    let apt = Apt::find().ok_or_else(|| TestbedError::new(format!("missing: {names}, which come from Debian")))?;
    steps.say(&format!("installing {names} with apt-get"));
    apt.install(&packages, log)
        .map_err(|cause| cause.while_doing(&format!("cannot install {names}")).with_details(&process::tail(log, 20)))?;
    steps.done(&format!("installed {names}"), since);
    Ok(())
}

/// Whether a program of this name is on the search path.
pub(crate) fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_exactly_what_to_install() {
        let message = ask_for(&[Need::Postgres, Need::RabbitMq]).to_string();
        assert!(message.contains("apt-get install --no-install-recommends postgresql rabbitmq-server\n"));
        assert!(message.contains("brew install postgresql@17 rabbitmq\n"));
    }

    #[test]
    fn finds_programs_on_the_search_path() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-anywhere"));
    }
}
