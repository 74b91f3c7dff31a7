//! The servers and binaries that `cargo xtask test` hands to tests of every crate.

use std::io::Write;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::{Once, OnceLock};

/// What is said, once, when the tests are run without `cargo xtask test`.
const NO_SERVERS: &str = "no test servers: run `cargo xtask test`";

/// Where everything is that the tests need.
#[derive(Clone, Debug)]
pub struct Environment {
    /// URL of a throw-away PostgreSQL, as a superuser.
    pub database_url: String,
    /// URL of a throw-away RabbitMQ.
    pub amqp_url: String,
    /// URL of its management API.
    pub management_url: String,
    /// The binary of order-service.
    pub order_service: PathBuf,
    /// The binary of inventory-service.
    pub inventory_service: PathBuf,
    /// The binary of account-service.
    pub account_service: PathBuf,
    /// Folder for logs and for servers of a test's own; servers in it are ended with the run.
    pub run_dir: PathBuf,
}

impl Environment {
    /// The environment of this run. Without one the test at hand fails, and one line says why for all of them.
    pub fn get() -> &'static Self {
        static FOUND: OnceLock<Option<Environment>> = OnceLock::new();
        static SAID: Once = Once::new();
        match FOUND.get_or_init(Self::read) {
            Some(environment) => environment,
            None => {
                // Straight to the terminal: what goes through `eprintln!` is repeated for every test.
                SAID.call_once(|| {
                    let _ = writeln!(std::io::stderr(), "{NO_SERVERS}");
                });
                // Unlike `panic!`, this fails the test without a message and a backtrace of its own.
                resume_unwind(Box::new(NO_SERVERS))
            }
        }
    }

    fn read() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Some(Self {
            database_url: variable("TEST_DATABASE_URL")?,
            amqp_url: variable("TEST_AMQP_URL")?,
            management_url: variable("TEST_RABBITMQ_MANAGEMENT_URL")?,
            order_service: variable("ORDER_SERVICE_BIN")?.into(),
            inventory_service: variable("INVENTORY_SERVICE_BIN")?.into(),
            account_service: variable("ACCOUNT_SERVICE_BIN")?.into(),
            run_dir: variable("TEST_RUN_DIR")?.into(),
        })
    }
}
