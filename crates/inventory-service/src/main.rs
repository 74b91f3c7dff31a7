//! The inventory-service binary: reads the configuration and runs the service.

use clap::Parser;
use inventory_service::config::Config;
use std::process::ExitCode;

fn main() -> ExitCode {
    let config = Config::parse();
    if config.print_openapi {
        return inventory_service::print_openapi();
    }
    inventory_service::run(config)
}
