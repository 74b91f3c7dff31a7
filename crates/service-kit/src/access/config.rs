//! Whether callers need a token.

use crate::config::ConfigError;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use serde::Serialize;
use std::net::IpAddr;
use std::time::Duration;
use utoipa::ToSchema;

/// Whether callers need a token, and what they may do without one.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Access")]
pub struct AccessConfig {
    /// Who may do everything without a token
    #[arg(long, env = "ACCESS", value_enum, default_value_t = Mode::Required)]
    pub access: Mode,
    /// Whether orders may be placed without an account
    #[arg(
        long,
        env = "GUEST_ORDERS",
        default_value_t = false,
        action = ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub guest_orders: bool,
}

/// How often the log says that everybody may do everything.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// Who may do everything without a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nobody: only what is for everybody is served without one
    Required,
    /// Who calls from this machine, and not through a proxy or from the page of another site
    Local,
    /// Everybody who reaches the port: for containers whose ports are published on this machine alone
    Open,
}

impl AccessConfig {
    /// Refuses settings by which a service would let in nobody, or others than were meant.
    pub(crate) fn check(&self, bind_address: IpAddr, knows_callers: bool) -> Result<(), ConfigError> {
        let refused = |reason: &str| Err(ConfigError { variable: "ACCESS", reason: reason.to_owned() });
        match self.access {
            Mode::Required if !knows_callers => refused(
                "is required, so callers need a token, but no issuer of tokens is known; set AUTH_ISSUER or \
                 TRUSTED_SERVICES, or on a machine of your own set ACCESS=local",
            ),
            Mode::Local if !bind_address.to_canonical().is_loopback() => refused(
                "is local, so callers on this machine need no token, but BIND_ADDRESS is one that others reach; set \
                 BIND_ADDRESS=127.0.0.1, or ACCESS=required and AUTH_ISSUER",
            ),
            Mode::Required | Mode::Local | Mode::Open => Ok(()),
        }
    }

    /// Tells log and metrics again and again that everybody may do everything, where that is so.
    pub(crate) fn warn_while_open(&self) {
        let is_open = self.access == Mode::Open;
        metrics::gauge!("auth_open", "reach" => "network").set(f64::from(u8::from(is_open)));
        if !is_open {
            return;
        }
        tokio::spawn(async {
            loop {
                tracing::warn!("ACCESS is open: everybody who reaches the port may do everything without a token");
                tokio::time::sleep(WARN_EVERY).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessConfig, Mode};

    #[test]
    fn settings_that_let_in_others_than_meant_are_refused() {
        let refused = |access, address: &str, knows_callers| {
            let config = AccessConfig { access, guest_orders: false };
            config.check(address.parse().unwrap(), knows_callers).err().map(|error| error.to_string())
        };
        for own in ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(refused(Mode::Local, own, false), None, "{own}");
        }
        for others in ["0.0.0.0", "192.0.2.7", "::", "::ffff:192.0.2.7"] {
            assert!(refused(Mode::Local, others, true).unwrap().contains("set BIND_ADDRESS=127.0.0.1"), "{others}");
        }
        assert!(refused(Mode::Required, "127.0.0.1", false).unwrap().contains("set AUTH_ISSUER"));
        assert_eq!(refused(Mode::Required, "0.0.0.0", true), None);
        assert_eq!(refused(Mode::Open, "0.0.0.0", false), None);
    }
}
