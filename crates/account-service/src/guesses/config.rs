//! What can be set for the limits of one network.

use clap::Args;
use std::num::NonZeroU32;

/// How often one client network may try.
#[derive(Args, Clone, Debug)]
#[group(id = "guesses")]
#[command(next_help_heading = "Accounts")]
pub struct Config {
    /// Log-ins a minute that one client address may try
    #[arg(long, env = "LOGINS_PER_MINUTE", default_value = "30")]
    pub logins_per_minute: NonZeroU32,
    /// Registrations a minute of one client address
    #[arg(long, env = "REGISTRATIONS_PER_MINUTE", default_value = "30")]
    pub registrations_per_minute: NonZeroU32,
    /// Codes a minute that one client address may ask for or try
    #[arg(long, env = "RESETS_PER_MINUTE", default_value = "10")]
    pub resets_per_minute: NonZeroU32,
}
