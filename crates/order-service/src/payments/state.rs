//! What the module keeps while the service runs.

use super::config::Config;
use service_kit::config::ConfigError;
use service_kit::validation::FieldErrors;

/// The module's part of the application state.
#[derive(Clone, Debug)]
pub struct Payments {
    currency: Option<String>,
}

impl Payments {
    /// As it is set up.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { currency: config.currency()? })
    }

    /// The currency in which orders are paid, where they can ask for that.
    pub fn currency(&self) -> Option<&str> {
        self.currency.as_deref()
    }

    /// The same; `field` is at fault where no order can ask for that.
    pub fn needed_currency(&self, field: &str) -> Result<&str, FieldErrors> {
        self.currency().ok_or_else(|| FieldErrors::one(field, "this shop takes no payments (SHOP_CURRENCY)"))
    }
}
