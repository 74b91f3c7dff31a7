//! How long a client is waited for, and how many connections there may be.

use clap::Args;
use std::fs;
use std::time::Duration;

/// Descriptors that are not for clients: connections to PostgreSQL, RabbitMQ, inventory-service and mail servers, the log.
const OTHER_DESCRIPTORS: usize = 256;

/// The bound of descriptors where the operating system does not tell its own.
const USUAL_DESCRIPTORS: usize = 1024;

/// How long clients are waited for, and how many may be connected.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionConfig {
    /// Most connections of clients at once; one address gets half of them. By default the descriptors that the process
    /// may open, less 256
    #[arg(long, env = "MAX_CONNECTIONS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: Option<u32>,
    /// Seconds that the head of a request may take
    #[arg(long, env = "HEAD_TIMEOUT_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub head_timeout_seconds: u16,
    /// Seconds without a byte of the body of a request, which as a whole may take ten times as long
    #[arg(long, env = "BODY_TIMEOUT_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub body_timeout_seconds: u16,
    /// Seconds in which a client reads no byte of its answer, which as a whole may take ten times as long
    #[arg(long, env = "WRITE_TIMEOUT_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub write_timeout_seconds: u16,
    /// Seconds that a connection may be idle between two requests
    #[arg(long, env = "IDLE_TIMEOUT_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub idle_timeout_seconds: u16,
}

/// How long each part of an exchange may keep a connection waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a whole head.
    pub(crate) head: Duration,
    /// Without progress of a body.
    pub(crate) body: Duration,
    /// Without progress of an answer.
    pub(crate) write: Duration,
    /// Between requests.
    pub(crate) idle: Duration,
}

impl Patience {
    /// A state that begins now is not over before this.
    pub(crate) fn shortest(&self) -> Duration {
        self.head.min(self.body).min(self.write).min(self.idle)
    }
}

impl ConnectionConfig {
    /// Most connections at once.
    pub(crate) fn most(&self) -> usize {
        let configured = self.max_connections.and_then(|most| usize::try_from(most).ok());
        configured.unwrap_or_else(|| default_most(descriptors()))
    }

    /// How long clients are waited for.
    pub(crate) fn patience(&self) -> Patience {
        let seconds = |seconds: u16| Duration::from_secs(seconds.into());
        Patience {
            head: seconds(self.head_timeout_seconds),
            body: seconds(self.body_timeout_seconds),
            write: seconds(self.write_timeout_seconds),
            idle: seconds(self.idle_timeout_seconds),
        }
    }
}

/// What is left for clients of this many descriptors; some are always.
fn default_most(descriptors: usize) -> usize {
    descriptors.saturating_sub(OTHER_DESCRIPTORS).max(16)
}

/// How many descriptors the process may open.
fn descriptors() -> usize {
    // The soft limit; a system call would need unsafe code or one more dependency.
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).and_then(|soft| soft.parse().ok());
    soft.unwrap_or(USUAL_DESCRIPTORS)
}

#[cfg(test)]
mod tests {
    use super::{default_most, descriptors};

    #[test]
    fn descriptors_are_left_for_everything_else() {
        assert_eq!(default_most(65_536), 65_280);
        assert_eq!(default_most(300), 44);
        assert_eq!(default_most(64), 16);
        assert!(descriptors() >= 64);
    }
}
