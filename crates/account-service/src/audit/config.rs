//! For how long entries are kept in the table.

use clap::Args;

/// For how long entries are kept in the table.
#[derive(Args, Clone, Debug)]
#[group(id = "audit")]
pub struct Config {
    /// Months after which entries of the audit are archived, counted from when their range was full; 0 for never
    #[arg(long, env = "AUDIT_KEEP_MONTHS", default_value_t = 0, help_heading = "Months",
          value_parser = clap::value_parser!(u16).range(0..=1200))]
    pub audit_keep_months: u16,
}
