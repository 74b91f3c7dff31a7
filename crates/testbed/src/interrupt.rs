//! Ctrl-C and termination signals, turned into a flag that every wait looks at, so that what was started is stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Result, TestbedError};

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Takes over SIGINT, SIGTERM and SIGHUP (a closed terminal). Only the binary calls this, never a test.
pub fn listen() -> Result<()> {
    let flag = REQUESTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .map_err(|cause| TestbedError::new(format!("cannot listen for signals: {cause}")))?;
    }
    Ok(())
}

/// Whether one of those signals has come.
pub fn requested() -> bool {
    REQUESTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// An error once a signal has come, to leave a wait with `?`.
pub fn check() -> Result<()> {
    if requested() {
        return Err(TestbedError::interrupted());
    }
    Ok(())
}
