//! Choosing TCP ports on the loopback address that nobody else listens on.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::error::{Result, TestbedError};

// Below the range from which Linux and macOS take the ports of outgoing connections (32768 and up), so that a port
// chosen now is still free when the server binds it, and free again when the server is restarted.
const FIRST: u16 = 15_000;
const COUNT: u16 = 17_000;

static GIVEN: AtomicU16 = AtomicU16::new(0);

/// A port that is free now and that this process has not given out before.
pub fn free_port() -> Result<u16> {
    // Each process begins elsewhere, so that two which run at once do not race for the same port.
    let begin = (std::process::id() % u32::from(COUNT / 50)) as u16 * 50;
    for _ in 0..COUNT {
        let step = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (begin.wrapping_add(step)) % COUNT;
        if is_free(port) {
            return Ok(port);
        }
    }
    Err(TestbedError::new(format!("no free TCP port between {FIRST} and {}", FIRST + COUNT)))
}

/// `preferred` if it is free, else another.
pub fn preferred_or_free(preferred: Option<u16>) -> Result<u16> {
    match preferred.filter(|port| is_free(*port)) {
        Some(port) => Ok(port),
        None => free_port(),
    }
}

/// Whether a server could bind this port on the loopback address.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether a server could bind this port on every address, as the services do.
pub fn is_free_everywhere(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_gives_the_same_port_twice() {
        let ports: std::collections::BTreeSet<u16> = (0..20).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 20);
    }

    #[test]
    fn keeps_a_preferred_port_only_while_it_is_free() {
        let port = free_port().unwrap();
        assert_eq!(preferred_or_free(Some(port)).unwrap(), port);
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_ne!(preferred_or_free(Some(port)).unwrap(), port);
    }
}
