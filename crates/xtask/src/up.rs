//! `cargo xtask up`: from a bare checkout to all services answering.

use std::time::{Duration, Instant};

use crate::cargo;
use crate::dev_servers::{Addresses, Plan};
use crate::gateway;
use crate::lock::Lock;
use crate::parts::{Part, Started};
use crate::payments;
use crate::people::{self, Person};
use crate::services::{self, ServicePorts};
use crate::workspace::{Profile, Workspace};
use testbed::error::{Result, TestbedError};
use testbed::folders::make_folder;
use testbed::interrupt;
use testbed::poll;
use testbed::process;
use testbed::sandbox;
use testbed::state::State;
use testbed::step::Steps;

/// What the command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How the services are built.
    pub profile: Profile,
    /// Return once everything answers, leaving it running.
    pub detach: bool,
    /// Put the gateway in front of the services.
    pub gateway: bool,
}

/// Starts what does not run yet and, unless detached, stays until Ctrl-C and stops that again.
pub fn run(workspace: &Workspace, options: Options) -> Result<u8> {
    let steps = Steps::begin("starting PostgreSQL, RabbitMQ and the services");
    let started = Started::default();
    let gateway = if options.gateway { Some(gateway::port()?) } else { None };
    let ports = ServicePorts { gateway, ..ServicePorts::from_environment()? };
    let lock = Lock::take(workspace, &steps)?;
    let people = match start(workspace, options.profile, ports, &started, &steps) {
        Ok(people) => people,
        Err(error) => {
            if !started.parts().is_empty() {
                let reason = if error.is_interruption() { "interrupted" } else { "that did not work out" };
                steps.say(&format!("{reason}; stopping what was started"));
            }
            started.stop(workspace, &steps)?;
            return Err(error);
        }
    };
    drop(lock);
    println!("{}", what_now(ports, &people));
    if started.parts().is_empty() {
        println!("Everything was running already. `cargo xtask down` stops it.");
        return Ok(0);
    }
    if options.detach {
        println!("It runs in the background; `cargo xtask down` stops it.");
        return Ok(0);
    }
    println!("Ctrl-C stops everything; `cargo xtask down` does the same from another terminal.");
    stay(workspace, &started, &steps)
}

fn start(
    workspace: &Workspace,
    profile: Profile,
    ports: ServicePorts,
    started: &Started,
    steps: &Steps,
) -> Result<Vec<Person>> {
    ports.check_free(workspace)?;
    make_folder(&workspace.dev_folder().join("logs"))?;
    if ports.gateway.is_some() {
        gateway::check_free(workspace)?;
        gateway::install(workspace, steps)?;
    } else {
        Part::Gateway.stop(workspace, steps)?;
    }
    let plan = Plan::make(workspace)?;
    let addresses = start_servers_while_building(workspace, profile, &plan, started, steps)?;
    services::start_all(workspace, profile, ports, &addresses, started, steps)?;
    if ports.gateway.is_some() {
        gateway::start(workspace, ports, started, steps)?;
    }
    people::make(workspace, profile, ports, &addresses)
}

fn start_servers_while_building(
    workspace: &Workspace,
    profile: Profile,
    plan: &Plan,
    started: &Started,
    steps: &Steps,
) -> Result<Addresses> {
    std::thread::scope(|scope| {
        let servers = scope.spawn(|| plan.carry_out(workspace, started, steps));
        let since = Instant::now();
        let built = cargo::build(workspace, &[&cargo::SERVICES[..], &[sandbox::PROGRAM]].concat(), profile);
        if built.is_ok() {
            steps.done("services built", since);
        }
        let servers = servers.join().map_err(|_| TestbedError::new("the start of the servers panicked"));
        built?;
        servers?
    })
}

/// What can be done with it now; every line of it works as it is printed.
fn what_now(ports: ServicePorts, people: &[Person]) -> String {
    let ServicePorts { order, inventory, account, .. } = ports;
    let log_in = |person: &Person| {
        format!(
            "  log in as {:<14}  TOKEN=$(curl -s -X POST http://localhost:{account}/api/auth/login -H 'Content-Type: \
             application/json' -d '{{\"email\":\"{}\",\"password\":\"{}\"}}' | sed -E 's/.*\"accessToken\":\"([^\"]+)\".*/\\1/')\n",
            format!("{}:", person.name),
            person.email(),
            person.password
        )
    };
    let sandbox = payments::use_sandbox().then(|| format!("  payment sandbox    {}/\n", payments::url(ports)));
    let sandbox = sandbox.unwrap_or_default();
    let gateway = |port: u16| {
        let try_it = "curl -s http://localhost";
        format!(
            "\n  All three behind one address, http://localhost:{port}/docs/, where everybody needs a token for what is not public:\n  \
             the products:            {try_it}:{port}/api/inventory/products\n  \
             the orders one may see:  {try_it}:{port}/api/orders -H \"Authorization: Bearer $TOKEN\"\n"
        )
    };
    let gateway = ports.gateway.map(gateway).unwrap_or_default();
    let log_in: String = people.iter().map(log_in).collect();
    format!(
        r#"
  order-service      http://localhost:{order}/swagger-ui/
  inventory-service  http://localhost:{inventory}/swagger-ui/
  account-service    http://localhost:{account}/swagger-ui/
{sandbox}
  the products:            curl -s http://localhost:{inventory}/api/inventory/products
  place an order:          curl -s -X POST http://localhost:{order}/api/orders -H 'Content-Type: application/json' -H 'Idempotency-Key: my-first-order' -d '{{"customerName":"Ada Lovelace","customerEmail":"ada@example.com","shippingAddress":"12 Saint James Square, London","items":[{{"productId":1,"quantity":1}}]}}'
  see how it went:         curl -s http://localhost:{order}/api/orders/1/timeline

  Without a token a program on this machine may do everything. With one it may do what its owner may:
{log_in}  the orders one may see:  curl -s http://localhost:{order}/api/orders -H "Authorization: Bearer $TOKEN"
{gateway}"#
    )
}

/// Stays until Ctrl-C, or until another command has stopped everything.
fn stay(workspace: &Workspace, started: &Started, steps: &Steps) -> Result<u8> {
    let mut reported = Vec::new();
    loop {
        let interrupted = poll::came_true(Duration::from_millis(500), interrupt::requested);
        if interrupted {
            println!();
            started.stop(workspace, steps)?;
            return Ok(0);
        }
        let mut any_left = false;
        for (part, process) in started.parts() {
            let Some(process) = process else {
                any_left |= part.state_file(workspace).exists();
                continue;
            };
            if process.is_running() {
                any_left = true;
            } else if is_still_recorded(workspace, part, process.pid)? && !reported.contains(&process.pid) {
                reported.push(process.pid);
                report_death(workspace, part, steps);
            }
        }
        if !any_left {
            steps.say("everything that was started here has ended");
            return Ok(0);
        }
    }
}

/// Whether nobody stopped the service: `down` deletes its state file.
fn is_still_recorded(workspace: &Workspace, part: Part, pid: u32) -> Result<bool> {
    let state = State::read(&part.state_file(workspace))?;
    Ok(state.and_then(|it| it.process("service")).is_some_and(|recorded| recorded.pid == pid))
}

fn report_death(workspace: &Workspace, service: Part, steps: &Steps) {
    let log = services::log_of(workspace, service);
    let end = process::tail(&log, 10);
    steps.say(&format!(
        "{} has ended; `cargo xtask up` in another terminal starts it again. The end of {}:\n{end}",
        service.name(),
        log.display(),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_where_everything_is() {
        let ports = ServicePorts { order: 1, inventory: 2, account: 3, sandbox: 4, gateway: None };
        let told = what_now(ports, &[]);
        for url in ["http://localhost:1/", "http://localhost:2/", "http://localhost:3/"] {
            assert!(told.contains(url), "{told}");
        }
        assert_eq!(told.contains("http://127.0.0.1:4/"), payments::use_sandbox(), "{told}");
        let told = what_now(ServicePorts { gateway: Some(5), ..ports }, &[]);
        assert!(told.contains("http://localhost:5/docs/"), "{told}");
    }
}
