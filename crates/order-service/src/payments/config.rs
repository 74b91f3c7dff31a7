//! What can be set for payments.

use clap::Args;
use service_kit::config::ConfigError;

/// Whether and how orders are paid.
#[derive(Args, Clone, Debug)]
#[group(id = "payments")]
pub struct Config {
    /// Currency of all prices, as ISO 4217 has it (INR); without it no order can ask to be paid
    #[arg(long, env = "SHOP_CURRENCY", help_heading = "Payments")]
    pub shop_currency: Option<String>,
}

/// Currencies whose smallest coin is not a hundredth: amounts here have two decimals.
const OTHER_DECIMALS: [&str; 26] = [
    "BHD", "BIF", "CLF", "CLP", "DJF", "GNF", "IQD", "ISK", "JOD", "JPY", "KMF", "KRW", "KWD", "LYD", "OMR", "PYG",
    "RWF", "TND", "UGX", "UYI", "UYW", "VND", "VUV", "XAF", "XOF", "XPF",
];

impl Config {
    /// The currency, if orders can ask to be paid.
    pub(super) fn currency(&self) -> Result<Option<String>, ConfigError> {
        let Some(text) = self.shop_currency.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let fault = |reason: &str| Err(ConfigError { variable: "SHOP_CURRENCY", reason: reason.to_owned() });
        if text.len() != 3 || !text.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return fault("must be three capital letters, such as INR");
        }
        if OTHER_DECIMALS.contains(&text) {
            return fault("must be a currency with hundredths");
        }
        Ok(Some(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn only_a_currency_with_hundredths_is_taken() {
        let of = |text: &str| {
            let config = Config { shop_currency: Some(text.to_owned()) };
            config.currency().map_err(|error| error.to_string())
        };
        assert_eq!(of("INR"), Ok(Some("INR".to_owned())));
        assert_eq!(of(""), Ok(None));
        for none in ["inr", "RUPEES", "€", "IN1"] {
            assert!(of(none).unwrap_err().contains("three capital letters"), "{none}");
        }
        for other in ["JPY", "KWD", "XPF"] {
            assert!(of(other).unwrap_err().contains("hundredths"), "{other}");
        }
    }
}
