//! Knows who people and machines are: accounts, log-in and the tokens that the other services believe. One module for
//! each domain.

pub mod accounts;
pub mod addresses;
pub mod api_keys;
pub mod app;
pub mod audit;
pub mod codes;
pub mod config;
pub mod forms;
mod guesses;
mod health;
pub mod measures;
pub mod passwords;
mod revocations;
mod routes;
mod schema;
mod sealing;
pub mod sessions;
pub mod signing_keys;
mod terminal;
mod token_checks;
pub mod users;

use crate::app::App;
use crate::config::Config;
use crate::schema::{OUTBOX, SCHEMA};
use crate::sealing::Seal;
use axum::middleware;
use service_kit::access::tokens::Verifier;
use service_kit::broker::Broker;
use service_kit::db::{self, Database};
use service_kit::lifecycle::{self, Built, StartError};
use service_kit::workers::Workers;
use std::process::ExitCode;

/// The allocator of the other services: it hands out first what was freed last.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Reads the configuration and runs the service until SIGTERM.
pub fn start() -> ExitCode {
    let mut config: Config = service_kit::config::parse();
    if config.print_openapi {
        return lifecycle::print_openapi(&routes::routes().into_openapi());
    }
    if config.print_access {
        return lifecycle::print_access(&routes::routes().into_openapi());
    }
    if config.migrate_only {
        return lifecycle::migrate_only(&config.server, &config.database, schema::migrations(), SCHEMA);
    }
    if let Some(command) = config.command.clone() {
        return terminal::run(&config, &command);
    }
    // Its own tokens are those that it takes.
    config.server.auth.auth_issuer = Some(config.signing_keys.issuer(config.port));
    lifecycle::run(&config.server.clone(), config.port, async move |shutdown, prepared| {
        let database = Database::connect_lazy(&config.database)?;
        let broker = Broker::new(&config.broker)?;
        let verifier = Verifier::new(&config.server.auth, "account-service")?;
        config.accounts.check(config.server.access.access)?;
        let seal = Seal::new(&config.sealing)?;
        service_kit::measures::announce(measures::MEASURES);
        let app = App::new(&config, seal, database.clone(), broker.clone(), verifier.clone(), prepared);
        let (routes, document) = routes::routes().with_state(app.clone()).split_for_parts();
        let routes = routes
            .layer(middleware::from_fn_with_state((verifier.clone(), database.clone()), revocations::refuse_at_once));
        let (known, kept, invariant_pause) = (verifier.clone(), database.clone(), config.server.invariant_pause());
        let background = async move {
            database.migrate(schema::migrations(), SCHEMA).await?;
            signing_keys::prepare(&app.signing_keys).await?;
            db::patiently(|| signing_keys::publish(&app.signing_keys, &verifier)).await?;
            let workers = Workers::new(database.clone(), broker, SCHEMA, shutdown);
            workers.start_kit(OUTBOX);
            workers.watch_invariants(&app.admin, invariant_pause);
            verifier.start_at_issuer(&workers, &database, SCHEMA).await?;
            signing_keys::jobs(&workers, &app.signing_keys, &verifier);
            sessions::jobs(&workers, &app.sessions);
            codes::jobs(&workers, &app.codes);
            workers.keep_partitions(&audit::PARTITIONED, &config.partitions, config.audit.audit_keep_months);
            Ok::<_, StartError>(())
        };
        Ok(Built { routes, document, verifier: known, database: kept, background: Box::pin(background) })
    })
}
