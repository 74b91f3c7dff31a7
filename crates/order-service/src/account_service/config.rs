//! What can be set for the calls to account-service.

use clap::Args;

/// Where account-service is.
#[derive(Args, Clone, Debug)]
#[group(id = "account_service")]
pub struct Config {
    /// Where account-service is, which gives the codes that e-mails show and the addresses of customers
    #[arg(
        long,
        env = "ACCOUNT_SERVICE_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8083",
        help_heading = "Accounts"
    )]
    pub account_service_url: String,
}
