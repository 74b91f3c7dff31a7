//! The account-service binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    account_service::start()
}
