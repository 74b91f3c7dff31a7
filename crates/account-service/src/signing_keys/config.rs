//! What can be set for tokens.

use clap::Args;
use url::Url;

/// Who signs tokens, and for how long they are good.
#[derive(Args, Clone, Debug)]
#[group(id = "signing_keys")]
#[command(next_help_heading = "Accounts")]
pub struct Config {
    /// URL that tokens name as their issuer and that the other services have as AUTH_ISSUER; by default
    /// http://localhost and the port
    #[arg(long, env = "ISSUER_URL")]
    pub issuer_url: Option<Url>,
    /// Minutes for which an access token is good
    #[arg(long, env = "ACCESS_TOKEN_MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=60))]
    pub access_token_minutes: u8,
}

impl Config {
    /// The issuer's name, without a slash at the end.
    pub fn issuer(&self, port: u16) -> String {
        let url = self.issuer_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
        url.unwrap_or_else(|| format!("http://localhost:{port}"))
    }
}
