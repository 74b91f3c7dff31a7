//! Owns the products and their stock, and decides under row locks who gets the last piece. One module for each domain.

pub mod app;
pub mod config;
mod health;
pub mod measures;
pub mod products;
pub mod reservations;
mod routes;
mod schema;
pub mod stock;

use crate::app::App;
use crate::config::Config;
use crate::schema::{OUTBOX, SCHEMA};
use service_kit::access::tokens::Verifier;
use service_kit::broker::Broker;
use service_kit::db::Database;
use service_kit::lifecycle::{self, Built, StartError};
use service_kit::workers::Workers;
use shared_types::topology::INVENTORY_ACCOUNT_EVENTS;
use std::process::ExitCode;

/// Requests allocate and free many small pieces. This one hands out first what was freed last, which is still in the
/// processor's cache: a tenth of this service's processor time less than with mimalloc.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Reads the configuration and runs the service until SIGTERM.
pub fn start() -> ExitCode {
    let config: Config = service_kit::config::parse();
    if config.print_openapi {
        return lifecycle::print_openapi(&routes::routes().into_openapi());
    }
    if config.print_access {
        return lifecycle::print_access(&routes::routes().into_openapi());
    }
    if config.migrate_only {
        return lifecycle::migrate_only(&config.server, &config.database, schema::migrations(), SCHEMA);
    }
    lifecycle::run(&config.server.clone(), config.port, async move |shutdown, prepared| {
        let database = Database::connect_lazy(&config.database)?;
        let broker = Broker::new(&config.broker)?;
        let verifier = Verifier::new(&config.server.auth, "inventory-service")?;
        service_kit::measures::announce(measures::MEASURES);
        let app = App::new(&config, database.clone(), broker.clone(), prepared);
        let (routes, document) = routes::routes().with_state(app.clone()).split_for_parts();
        let (known, kept, invariant_pause) = (verifier.clone(), database.clone(), config.server.invariant_pause());
        let background = async move {
            database.migrate(schema::migrations(), SCHEMA).await?;
            products::load_sample_data(&database, &config.products).await?;
            products::fold_names_at_start(&database).await?;
            let workers = Workers::new(database.clone(), broker, SCHEMA, shutdown);
            let workers = workers.with_dry_runs(app.admin.dry_runs.clone());
            workers.start_kit(OUTBOX);
            workers.watch_invariants(&app.admin, invariant_pause);
            verifier.start(&workers, &database, SCHEMA, INVENTORY_ACCOUNT_EVENTS).await?;
            products::jobs(&workers, &database);
            workers.keep_partitions(&stock::PARTITIONED, &config.partitions, config.stock.movements_keep_months);
            reservations::consumers(&workers, &app.reservations);
            Ok::<_, StartError>(())
        };
        Ok(Built { routes, document, verifier: known, database: kept, background: Box::pin(background) })
    })
}
