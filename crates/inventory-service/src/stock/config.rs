//! What can be set for stock: how long its movements are kept.

use clap::Args;

/// How long movements are kept.
#[derive(Args, Clone, Copy, Debug)]
#[group(id = "stock")]
pub struct Config {
    /// Months after which movements of stock are archived, counted from the end of the month in which their range was over; 0
    /// for never
    #[arg(long, env = "MOVEMENTS_KEEP_MONTHS", default_value_t = 0, help_heading = "Months",
          value_parser = clap::value_parser!(u16).range(0..=1200))]
    pub movements_keep_months: u16,
}
