//! What can be set for passwords.

use clap::Args;
use std::num::NonZeroUsize;

/// Which passwords are taken, and how many are hashed at once.
#[derive(Args, Clone, Debug)]
#[group(id = "passwords")]
#[command(next_help_heading = "Accounts")]
pub struct Config {
    /// Characters that a password has at the least
    #[arg(long, env = "PASSWORD_MIN_LENGTH", default_value_t = 15, value_parser = clap::value_parser!(u8).range(8..=64))]
    pub password_min_length: u8,
    /// Passwords that are hashed at once, each with 19 MiB of memory; by default half of the processors, 1 to 4
    #[arg(long, env = "PASSWORD_HASHES_AT_ONCE", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub password_hashes_at_once: Option<u16>,
    /// Name of the shop, which is no password
    #[arg(long, env = "SHOP_NAME", default_value = "Order desk")]
    pub shop_name: String,
}

impl Config {
    /// How many are hashed at once.
    pub fn at_once(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.password_hashes_at_once.map_or_else(|| (processors() / 2).clamp(1, 4), usize::from)
    }
}
