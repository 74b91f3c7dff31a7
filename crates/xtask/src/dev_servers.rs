//! Where the development system's PostgreSQL and RabbitMQ come from: the caller's own, private ones, or containers.

use std::time::Instant;

use crate::install::{self, Apt, Docker, Need};
use crate::parts::{self, Part, Started};
use crate::workspace::Workspace;
use testbed::durability::Durability;
use testbed::error::{Result, TestbedError};
use testbed::ports;
use testbed::postgres::Postgres;
use testbed::rabbitmq::RabbitMq;
use testbed::step::Steps;

const POSTGRES_VARIABLES: [&str; 6] = ["DATABASE_URL", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"];
const RABBITMQ_VARIABLES: [&str; 5] =
    ["AMQP_URL", "RABBITMQ_HOST", "RABBITMQ_PORT", "RABBITMQ_USERNAME", "RABBITMQ_PASSWORD"];

/// Where one server comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The caller's environment names one.
    Given,
    Private,
    /// A container stands in.
    Container,
}

/// Which servers will be used, and how missing ones are had.
#[derive(Debug)]
pub struct Plan {
    postgres: Origin,
    rabbitmq: Origin,
    missing: Vec<Need>,
    apt: Option<Apt>,
    docker: Option<Docker>,
}

/// The variables that tell the services where the servers are. Where the caller's environment says it, there are none.
pub type Addresses = Vec<(&'static str, String)>;

impl Plan {
    /// Looks at the environment and at what is installed. Asks for the password of sudo if that is needed.
    pub fn make(workspace: &Workspace) -> Result<Self> {
        let origin = |variables: &[&str]| if any_is_set(variables) { Origin::Given } else { Origin::Private };
        let mut plan = Self {
            postgres: origin(&POSTGRES_VARIABLES),
            rabbitmq: origin(&RABBITMQ_VARIABLES),
            missing: Vec::new(),
            apt: None,
            docker: None,
        };
        plan.missing = install::missing(&plan.needs(Origin::Private));
        if plan.missing.is_empty() {
            return Ok(plan);
        }
        plan.apt = Apt::find();
        if plan.apt.is_some() {
            return Ok(plan);
        }
        plan.docker = Docker::find(&workspace.root);
        if plan.docker.is_none() {
            return Err(install::ask_for(&plan.missing));
        }
        for need in std::mem::take(&mut plan.missing) {
            match need {
                Need::Postgres => plan.postgres = Origin::Container,
                Need::RabbitMq => plan.rabbitmq = Origin::Container,
                _ => {}
            }
        }
        Ok(plan)
    }

    /// Installs what is missing and starts what does not run yet.
    pub fn carry_out(&self, workspace: &Workspace, started: &Started, steps: &Steps) -> Result<Addresses> {
        self.install(workspace, steps)?;
        std::thread::scope(|scope| {
            let rabbitmq = scope.spawn(|| self.rabbitmq(workspace, started, steps));
            let containers = scope.spawn(|| self.containers(workspace, started, steps));
            let postgres = self.postgres(workspace, started, steps);
            let panicked = || TestbedError::new("the start of a server panicked");
            let rabbitmq = rabbitmq.join().map_err(|_| panicked()).flatten();
            containers.join().map_err(|_| panicked()).flatten()?;
            Ok([postgres?, rabbitmq?].into_iter().flatten().collect())
        })
    }

    fn install(&self, workspace: &Workspace, steps: &Steps) -> Result<()> {
        match &self.apt {
            Some(apt) => install::with_apt(apt, &self.missing, &workspace.dev_folder().join("logs/install.log"), steps),
            None => Ok(()),
        }
    }

    fn postgres(
        &self,
        workspace: &Workspace,
        started: &Started,
        steps: &Steps,
    ) -> Result<Option<(&'static str, String)>> {
        match self.postgres {
            Origin::Given => {
                steps.say("using the PostgreSQL that the environment names");
                return Ok(None);
            }
            Origin::Container => return Ok(Some(("DATABASE_URL", Docker::database_url()))),
            Origin::Private => {}
        }
        let since = Instant::now();
        let folder = parts::postgres_folder(workspace);
        let running = Postgres::attach(&folder)?;
        let verb = if running.is_some() { "runs already" } else { "started" };
        let server = match running {
            Some(server) => server,
            None => {
                let port = ports::preferred_or_free(Postgres::last_port(&folder)?)?;
                let server = Postgres::start(&folder, port, Durability::Durable)?;
                started.add(Part::Postgres, server.process()?);
                server
            }
        };
        steps.done(&format!("PostgreSQL {} {verb} on 127.0.0.1:{}", server.major_version(), server.port()), since);
        Ok(Some(("DATABASE_URL", server.url())))
    }

    fn rabbitmq(
        &self,
        workspace: &Workspace,
        started: &Started,
        steps: &Steps,
    ) -> Result<Option<(&'static str, String)>> {
        match self.rabbitmq {
            Origin::Given => {
                steps.say("using the RabbitMQ that the environment names");
                return Ok(None);
            }
            Origin::Container => return Ok(Some(("AMQP_URL", Docker::amqp_url()))),
            Origin::Private => {}
        }
        let since = Instant::now();
        let folder = parts::rabbitmq_folder(workspace);
        let running = RabbitMq::attach(&folder)?;
        let verb = if running.is_some() { "runs already" } else { "started" };
        let server = match running {
            Some(server) => server,
            None => {
                let port = ports::preferred_or_free(RabbitMq::last_port(&folder)?)?;
                let server = RabbitMq::start(&folder, port, Durability::Durable)?;
                started.add(Part::RabbitMq, server.process()?);
                server
            }
        };
        steps.done(&format!("RabbitMQ {verb} on 127.0.0.1:{}", server.port()), since);
        Ok(Some(("AMQP_URL", server.url())))
    }

    fn containers(&self, workspace: &Workspace, started: &Started, steps: &Steps) -> Result<()> {
        let needs = self.needs(Origin::Container);
        let Some(docker) = &self.docker else {
            return Ok(());
        };
        let since = Instant::now();
        let ran_before = parts::needs_in_containers(workspace)? == needs;
        docker.start(&needs)?;
        parts::remember_containers(workspace, &needs)?;
        if !ran_before {
            started.add(Part::Containers, None);
        }
        steps.done(&format!("containers run for {}", install::names(&needs)), since);
        Ok(())
    }

    fn needs(&self, origin: Origin) -> Vec<Need> {
        let all = [(Need::Postgres, self.postgres), (Need::RabbitMq, self.rabbitmq)];
        all.into_iter().filter(|(_, it)| *it == origin).map(|(need, _)| need).collect()
    }
}

/// The caller's settings for both servers, by which a service that was started with others is known.
pub fn given_settings() -> Vec<(&'static str, Option<String>)> {
    POSTGRES_VARIABLES.into_iter().chain(RABBITMQ_VARIABLES).map(|name| (name, std::env::var(name).ok())).collect()
}

fn any_is_set(variables: &[&str]) -> bool {
    variables.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
