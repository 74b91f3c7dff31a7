//! Starting the services and the payment sandbox, and telling whether one that runs is still the one that is wanted.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::dev_servers::{Addresses, given_settings};
use crate::parts::{Part, Started};
use crate::payments;
use crate::secrets;
use crate::workspace::{Profile, Workspace};
use testbed::error::{Result, TestbedError};
use testbed::pairs::{self, MASTER_KEY};
use testbed::poll;
use testbed::ports;
use testbed::process::{self, Identity};
use testbed::readiness;
use testbed::state::State;
use testbed::step::Steps;

const READY_LIMIT: Duration = Duration::from_secs(120);

/// The ports that the services and the payment sandbox listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServicePorts {
    pub order: u16,
    pub inventory: u16,
    pub account: u16,
    pub sandbox: u16,
    /// That of the gateway, where there is one.
    pub gateway: Option<u16>,
}

impl ServicePorts {
    /// 8081 to 8084, unless the environment says otherwise.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            order: port_from(ORDER_PORT, 8081)?,
            inventory: port_from(INVENTORY_PORT, 8082)?,
            account: port_from(ACCOUNT_PORT, 8083)?,
            sandbox: port_from(SANDBOX_PORT, 8084)?,
            gateway: None,
        })
    }

    /// An error when another program listens on one of them. Our own services may: they are reused or restarted.
    pub fn check_free(self, workspace: &Workspace) -> Result<()> {
        for part in Part::programs() {
            let (port, variable) = (self.of(part), variable_of(part));
            if part.process(workspace)?.is_none() && !ports::is_free_everywhere(port) {
                return Err(TestbedError::new(format!(
                    "port {port}, on which {} is to listen, is taken by another program. Stop that program, or choose \
                     another port: {variable}={} cargo xtask up",
                    part.name(),
                    port.saturating_add(1000),
                )));
            }
        }
        Ok(())
    }

    /// The port of this program.
    pub fn of(self, program: Part) -> u16 {
        match program {
            Part::InventoryService => self.inventory,
            Part::AccountService => self.account,
            Part::PaymentSandbox => self.sandbox,
            _ => self.order,
        }
    }
}

/// The proxies whose word about their clients is believed.
const TRUSTED_PROXIES: &str = "TRUSTED_PROXIES";

/// Where links in mails to guests lead.
const PUBLIC_URL: &str = "PUBLIC_URL";

const ORDER_PORT: &str = "ORDER_SERVICE_PORT";
const INVENTORY_PORT: &str = "INVENTORY_SERVICE_PORT";
const ACCOUNT_PORT: &str = "ACCOUNT_SERVICE_PORT";
const SANDBOX_PORT: &str = "PAYMENT_SANDBOX_PORT";

/// The variable with the port of this program.
fn variable_of(program: Part) -> &'static str {
    match program {
        Part::InventoryService => INVENTORY_PORT,
        Part::AccountService => ACCOUNT_PORT,
        Part::PaymentSandbox => SANDBOX_PORT,
        _ => ORDER_PORT,
    }
}

/// The port that a variable names, or else this one.
pub fn port_from(variable: &str, default: u16) -> Result<u16> {
    match std::env::var(variable) {
        Ok(text) if !text.is_empty() => {
            text.parse().map_err(|_| TestbedError::usage(format!("{variable}={text} is not a port number")))
        }
        _ => Ok(default),
    }
}

/// Starts the services and the sandbox, or reuses those that run, and waits until all are ready.
pub fn start_all(
    workspace: &Workspace,
    profile: Profile,
    ports: ServicePorts,
    addresses: &Addresses,
    started: &Started,
    steps: &Steps,
) -> Result<()> {
    let since = Instant::now();
    if !payments::use_sandbox() {
        Part::PaymentSandbox.stop(workspace, steps)?;
    }
    // All at once: none waits for another to be there.
    for service in Part::programs() {
        let wanted = Launch::new(workspace, service, profile, ports, addresses)?;
        if wanted.runs(workspace)? {
            steps.say(&format!("{} runs already on port {}", service.name(), ports.of(service)));
            continue;
        }
        if service.process(workspace)?.is_some() {
            steps.say(&format!("{} runs with an older binary or other settings; restarting it", service.name()));
            service.stop(workspace, steps)?;
        }
        started.add(service, Some(wanted.start(workspace)?));
    }
    for service in Part::programs() {
        wait_until_ready(workspace, service, ports.of(service))?;
        steps.done(&format!("{} is ready on port {}", service.name(), ports.of(service)), since);
    }
    Ok(())
}

/// A command of account-service's own program, with the settings that the service runs with.
pub fn account_command(
    workspace: &Workspace,
    profile: Profile,
    ports: ServicePorts,
    addresses: &Addresses,
) -> Result<Command> {
    let service = Launch::new(workspace, Part::AccountService, profile, ports, addresses)?;
    let mut command = Command::new(&service.binary);
    command.current_dir(&workspace.root).envs(service.environment);
    Ok(command)
}

/// The log of a service or of the sandbox.
pub fn log_of(workspace: &Workspace, service: Part) -> PathBuf {
    workspace.dev_folder().join("logs").join(format!("{}.log", service.name()))
}

/// One service, or the sandbox, with all that it is started with.
struct Launch {
    service: Part,
    binary: PathBuf,
    environment: Vec<(&'static str, String)>,
    fingerprint: u64,
}

impl Launch {
    fn new(
        workspace: &Workspace,
        service: Part,
        profile: Profile,
        ports: ServicePorts,
        addresses: &Addresses,
    ) -> Result<Self> {
        let binary = workspace.binary(service.name(), profile);
        let built = std::fs::metadata(&binary)
            .and_then(|file| file.modified())
            .map_err(|cause| TestbedError::io("cannot find", &binary, &cause))?;
        let environment = match service {
            Part::PaymentSandbox => payments::for_sandbox(workspace, ports),
            _ => environment(workspace, service, ports, addresses)?,
        };
        let mut hasher = DefaultHasher::new();
        (&binary, built.duration_since(UNIX_EPOCH).ok(), &environment, given_settings()).hash(&mut hasher);
        if service == Part::OrderService {
            payments::given_settings().hash(&mut hasher);
        }
        Ok(Self { service, binary, environment, fingerprint: hasher.finish() })
    }

    /// Whether the service runs with this very binary and these settings.
    fn runs(&self, workspace: &Workspace) -> Result<bool> {
        let state = State::read(&self.service.state_file(workspace))?.unwrap_or_default();
        let same = state.get::<u64>("fingerprint") == Some(self.fingerprint);
        Ok(same && self.service.process(workspace)?.is_some())
    }

    fn start(&self, workspace: &Workspace) -> Result<Identity> {
        let log = log_of(workspace, self.service);
        // The log is that of this start: its end explains a failure.
        let _ = std::fs::remove_file(&log);
        let mut command = Command::new(&self.binary);
        command.current_dir(&workspace.root).envs(self.environment.iter().cloned());
        let process =
            process::spawn_detached(&command, &log).map_err(|cause| cause.with_details(&process::tail(&log, 20)))?;
        State::default()
            .with("fingerprint", self.fingerprint)
            .with_process("service", &process)
            .write(&self.service.state_file(workspace))?;
        Ok(process)
    }
}

/// What a service is told.
fn environment(
    workspace: &Workspace,
    service: Part,
    ports: ServicePorts,
    addresses: &Addresses,
) -> Result<Vec<(&'static str, String)>> {
    let mut environment = addresses.clone();
    environment.push(("PORT", ports.of(service).to_string()));
    let settings = [("ACCESS", "local".to_owned()), ("GUEST_ORDERS", "true".to_owned())];
    let known = known_by_key(workspace, service)?;
    let gateway = ports.gateway.map(|_| (TRUSTED_PROXIES, "127.0.0.1".to_owned()));
    // Somebody who sets them means it.
    let unset = settings.into_iter().chain(known).chain(gateway).filter(|(name, _)| std::env::var_os(name).is_none());
    environment.extend(unset);
    // As account-service calls itself in its tokens.
    environment.push(pairs::takes_tokens_of(format!("http://localhost:{}", ports.account)));
    match service {
        Part::InventoryService => environment.push(pairs::sample_data()),
        Part::AccountService => {
            environment.push((MASTER_KEY, secrets::master_key(workspace, MASTER_KEY)?));
            environment.push(pairs::registers_at_once());
        }
        _ => {
            environment.push(pairs::asks_inventory_at(format!("http://127.0.0.1:{}", ports.inventory)));
            environment.push(pairs::asks_accounts_at(format!("http://127.0.0.1:{}", ports.account)));
            let (name, currency) = pairs::takes_payments();
            if std::env::var_os(name).is_none() {
                environment.push((name, currency));
            }
            environment.extend(payments::for_order_service(ports));
            if std::env::var_os(PUBLIC_URL).is_none() {
                environment.push((PUBLIC_URL, format!("http://localhost:{}", ports.gateway.unwrap_or(ports.order))));
            }
        }
    }
    Ok(environment)
}

/// Order-service calls the others, and says by its key who it is, as elsewhere.
fn known_by_key(workspace: &Workspace, service: Part) -> Result<Option<(&'static str, String)>> {
    let caller = Part::OrderService;
    let key = secrets::service_key(&workspace.dev_folder(), caller.name())?;
    Ok(key.map(|key| match service {
        Part::InventoryService | Part::AccountService => {
            ("TRUSTED_SERVICES", format!("{}={}", caller.name(), key.public.display()))
        }
        _ => ("SERVICE_KEY_FILE", key.private.display().to_string()),
    }))
}

fn wait_until_ready(workspace: &Workspace, service: Part, port: u16) -> Result<()> {
    let mut seen = String::new();
    let outcome = poll::until(READY_LIMIT, service.name(), || {
        if service.process(workspace)?.is_none() {
            return Err(TestbedError::new(format!("{} ended during its start", service.name())));
        }
        Ok(readiness::check(port, &["UP"]).map_err(|says| seen = says).ok())
    });
    outcome.map_err(|cause| {
        let log = log_of(workspace, service);
        let end = process::tail(&log, 20);
        cause.with_details(&format!("its last answer: {seen}\nthe end of {}:\n{end}", log.display()))
    })
}
