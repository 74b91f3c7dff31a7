//! What can be set for products: whether sample products are there at the start.

use clap::{ArgAction, Args, builder::BoolishValueParser};

/// Which products there are at the start.
#[derive(Args, Clone, Copy, Debug)]
#[group(id = "products")]
pub struct Config {
    /// Put five products into a database that has never had one
    #[arg(
        long,
        env = "LOAD_SAMPLE_DATA",
        default_value_t = false,
        action = ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
        help_heading = "Service"
    )]
    pub load_sample_data: bool,
}
