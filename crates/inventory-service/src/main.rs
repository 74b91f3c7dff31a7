//! The inventory-service binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    inventory_service::start()
}
