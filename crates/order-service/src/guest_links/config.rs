//! What can be set for links in e-mails.

use clap::Args;
use reqwest::Url;
use service_kit::config::ConfigError;

/// Where customers reach the service.
#[derive(Args, Clone, Debug)]
#[group(id = "guest_links")]
pub struct Config {
    /// URL by which customers reach this service; e-mails about orders without an account link to it where it is set
    #[arg(long, env = "PUBLIC_URL", help_heading = "E-mail")]
    pub public_url: Option<String>,
}

impl Config {
    /// The URL that paths are put behind, if there are to be links.
    pub(super) fn base(&self) -> Result<Option<String>, ConfigError> {
        let Some(text) = self.public_url.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let is_base = |url: &Url| {
            let named = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
            named && url.password().is_none() && !text.contains(['?', '#'])
        };
        let reason = "must look like https://shop.example".to_owned();
        let url = Url::parse(text).ok().filter(is_base).ok_or(ConfigError { variable: "PUBLIC_URL", reason })?;
        Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn an_address_that_nobody_could_follow_is_refused() {
        let base = |text: &str| Config { public_url: Some(text.to_owned()) }.base().map_err(|error| error.to_string());
        assert_eq!(base("https://Shop.Example/"), Ok(Some("https://shop.example".to_owned())));
        assert_eq!(base("http://localhost:8081"), Ok(Some("http://localhost:8081".to_owned())));
        assert_eq!(base("https://shop.example/oms/"), Ok(Some("https://shop.example/oms".to_owned())));
        assert_eq!(base(""), Ok(None));
        for none in ["shop.example", "/", "ftp://shop.example", "https://a:b@shop.example", "https://shop.example?x=1"]
        {
            assert!(base(none).unwrap_err().starts_with("PUBLIC_URL: must look like"), "{none}");
        }
    }
}
