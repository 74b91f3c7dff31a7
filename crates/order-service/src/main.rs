//! The order-service binary: reads the configuration and runs the service.

use clap::Parser;
use order_service::config::Config;
use std::process::ExitCode;

fn main() -> ExitCode {
    let config = Config::parse();
    if config.print_openapi {
        return order_service::print_openapi();
    }
    order_service::run(config)
}
