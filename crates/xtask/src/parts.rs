//! The parts of the development system: which of them run, and how each is stopped. `up` stops what it started,
//! `down` whatever it finds.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::install::{Docker, Need};
use crate::payments;
use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};
use testbed::postgres::Postgres;
use testbed::process::{Identity, Signal};
use testbed::rabbitmq::RabbitMq;
use testbed::sandbox;
use testbed::state::State;
use testbed::step::Steps;

/// One part, in the order in which they are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// nginx in front of the services, on 8080.
    Gateway,
    /// The service on 8081.
    OrderService,
    /// The service on 8082.
    InventoryService,
    /// The service on 8083.
    AccountService,
    /// The stand-in for payment providers on 8084.
    PaymentSandbox,
    RabbitMq,
    Postgres,
    /// The containers that stand in for the private servers.
    Containers,
}

impl Part {
    /// All of them, in the order in which they are stopped.
    pub const ALL: [Self; 8] = [
        Self::Gateway,
        Self::OrderService,
        Self::InventoryService,
        Self::AccountService,
        Self::PaymentSandbox,
        Self::RabbitMq,
        Self::Postgres,
        Self::Containers,
    ];

    /// The services, in the order in which they are started.
    pub const SERVICES: [Self; 3] = [Self::InventoryService, Self::OrderService, Self::AccountService];

    /// The programs of this workspace that run, in the order in which they are started.
    pub fn programs() -> Vec<Self> {
        let sandbox = payments::use_sandbox().then_some(Self::PaymentSandbox);
        sandbox.into_iter().chain(Self::SERVICES).collect()
    }

    /// What people call it; for a program of this workspace also the name of its binary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::OrderService => "order-service",
            Self::InventoryService => "inventory-service",
            Self::AccountService => "account-service",
            Self::PaymentSandbox => sandbox::PROGRAM,
            Self::RabbitMq => "RabbitMQ",
            Self::Postgres => "PostgreSQL",
            Self::Containers => "the containers",
        }
    }

    /// The state file, for parts that have no folder with one.
    pub fn state_file(self, workspace: &Workspace) -> PathBuf {
        workspace.dev_folder().join("state").join(self.name().replace("the ", ""))
    }

    /// The process behind it while it runs; containers have none of ours.
    pub fn process(self, workspace: &Workspace) -> Result<Option<Identity>> {
        match self {
            Self::Gateway
            | Self::OrderService
            | Self::InventoryService
            | Self::AccountService
            | Self::PaymentSandbox => Ok(State::read(&self.state_file(workspace))?
                .and_then(|state| state.process("service"))
                .filter(Identity::is_running)),
            Self::RabbitMq => match RabbitMq::attach(&rabbitmq_folder(workspace))? {
                Some(server) => server.process(),
                None => Ok(None),
            },
            Self::Postgres => match Postgres::attach(&postgres_folder(workspace))? {
                Some(server) => server.process(),
                None => Ok(None),
            },
            Self::Containers => Ok(None),
        }
    }

    /// Stops it if it runs, and says so. Whether there was anything to stop.
    pub fn stop(self, workspace: &Workspace, steps: &Steps) -> Result<bool> {
        let since = Instant::now();
        let process = self.process(workspace)?;
        match (self, &process) {
            (Self::Gateway, Some(process)) => {
                // As nginx calls an end in order.
                process.end(Signal::Quit, Duration::from_secs(30));
                forget(&self.state_file(workspace))?;
            }
            (
                Self::OrderService | Self::InventoryService | Self::AccountService | Self::PaymentSandbox,
                Some(process),
            ) => {
                // A service finishes the requests it has before it ends.
                if !process.end(Signal::Terminate, Duration::from_secs(30)) {
                    steps.say(&format!("{} did not end within 30 s and was killed", self.name()));
                }
                forget(&self.state_file(workspace))?;
            }
            (Self::RabbitMq, Some(_)) => {
                if let Some(server) = RabbitMq::attach(&rabbitmq_folder(workspace))? {
                    server.stop()?;
                }
            }
            (Self::Postgres, Some(_)) => {
                if let Some(server) = Postgres::attach(&postgres_folder(workspace))? {
                    server.stop()?;
                }
            }
            (Self::Containers, _) => {
                let needs = needs_in_containers(workspace)?;
                if needs.is_empty() {
                    return Ok(false);
                }
                Docker::in_folder(&workspace.root).stop(&needs)?;
                forget(&self.state_file(workspace))?;
            }
            (_, None) => return Ok(false),
        }
        steps.done(&format!("stopped {}", self.name()), since);
        Ok(true)
    }
}

/// Where the private PostgreSQL of the development system lives.
pub fn postgres_folder(workspace: &Workspace) -> PathBuf {
    workspace.dev_folder().join("postgres")
}

/// Where the private RabbitMQ of the development system lives.
pub fn rabbitmq_folder(workspace: &Workspace) -> PathBuf {
    workspace.dev_folder().join("rabbitmq")
}

/// Which servers run in containers that `up` started.
pub fn needs_in_containers(workspace: &Workspace) -> Result<Vec<Need>> {
    let state = State::read(&Part::Containers.state_file(workspace))?.unwrap_or_default();
    let runs = |need: &Need| need.compose_service().is_some_and(|name| state.get::<String>(name).is_some());
    Ok([Need::Postgres, Need::RabbitMq].into_iter().filter(runs).collect())
}

/// Remembers which servers run in containers.
pub fn remember_containers(workspace: &Workspace, needs: &[Need]) -> Result<()> {
    let names = needs.iter().filter_map(|need| need.compose_service());
    names
        .fold(State::default(), |state, name| state.with(name, "started"))
        .write(&Part::Containers.state_file(workspace))
}

fn forget(state_file: &std::path::Path) -> Result<()> {
    match std::fs::remove_file(state_file) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(TestbedError::io("cannot delete", state_file, &cause))
        }
        _ => Ok(()),
    }
}

/// What one `up` started, so that it stops that and nothing else.
#[derive(Debug, Default)]
pub struct Started {
    parts: Mutex<Vec<(Part, Option<Identity>)>>,
}

impl Started {
    /// Remembers a part as started by us.
    pub fn add(&self, part: Part, process: Option<Identity>) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push((part, process));
    }

    /// The parts and their processes, in the order in which they are to be stopped.
    pub fn parts(&self) -> Vec<(Part, Option<Identity>)> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        parts.sort_by_key(|(part, _)| *part);
        parts
    }

    /// Stops those that are still the ones we started. The first failure is given back after the others were tried.
    pub fn stop(&self, workspace: &Workspace, steps: &Steps) -> Result<()> {
        let mut result = Ok(());
        for (part, process) in self.parts() {
            let stopped = part
                .process(workspace)
                .and_then(|now| if now == process { part.stop(workspace, steps) } else { Ok(false) });
            result = result.and(stopped.map(drop));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_state_of_its_own_and_is_stopped_before_what_it_calls() {
        let place = |part| Part::ALL.iter().position(|it| *it == part);
        for service in Part::SERVICES {
            assert!(place(service) < place(Part::PaymentSandbox), "{service:?} calls the sandbox or does not mind");
        }
        assert!(place(Part::PaymentSandbox) < place(Part::Postgres));
        let workspace = Workspace { root: PathBuf::from("/shop"), target: PathBuf::new() };
        assert_eq!(Part::PaymentSandbox.state_file(&workspace), PathBuf::from("/shop/.run/dev/state/payment-sandbox"));
        let mut sorted = Part::ALL;
        sorted.sort();
        assert_eq!(sorted, Part::ALL);
    }
}
