//! The same binary with failure points, for tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    order_service::start()
}
