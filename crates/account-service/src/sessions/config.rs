//! How long a session lasts.

use clap::Args;
use time::Duration;

/// How long a session lasts.
#[derive(Args, Clone, Debug)]
#[group(id = "sessions")]
#[command(next_help_heading = "Accounts")]
pub struct Config {
    /// Days for which a customer's session may be idle
    #[arg(long, env = "REFRESH_IDLE_DAYS", default_value_t = 14, value_parser = clap::value_parser!(u16).range(1..=366))]
    pub refresh_idle_days: u16,
    /// Days after which a customer logs in again
    #[arg(long, env = "REFRESH_ABSOLUTE_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=366))]
    pub refresh_absolute_days: u16,
    /// Minutes for which the session of an administrator or a seller may be idle
    #[arg(long, env = "STAFF_IDLE_MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=10080))]
    pub staff_idle_minutes: u16,
    /// Hours after which an administrator or a seller logs in again
    #[arg(long, env = "STAFF_ABSOLUTE_HOURS", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=744))]
    pub staff_absolute_hours: u16,
    /// Seconds for which a used refresh token gives its successor again, as two tabs ask for it at once; 0 for never
    #[arg(long, env = "REFRESH_GRACE_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=60))]
    pub refresh_grace_seconds: u16,
}

impl Config {
    /// How long a used token gives its successor again.
    pub fn grace(&self) -> Duration {
        Duration::seconds(i64::from(self.refresh_grace_seconds))
    }
}
