//! Who may register, and how.

use clap::{Args, ValueEnum};
use service_kit::access::Mode;
use service_kit::config::ConfigError;

/// What follows a registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Registration {
    /// A code by e-mail; who registers cannot log in before it was shown
    Verified,
    /// Tokens at once, for development: it shows which addresses have an account
    Immediate,
}

/// Who may register, and how.
#[derive(Args, Clone, Copy, Debug)]
#[group(id = "accounts")]
#[command(next_help_heading = "Accounts")]
pub struct Config {
    /// What follows a registration; immediate only with ACCESS=local
    #[arg(long, env = "REGISTRATION", value_enum, default_value_t = Registration::Verified)]
    pub registration: Registration,
}

impl Config {
    /// Refuses to let everybody in at once where others than this machine reach the service.
    pub fn check(&self, access: Mode) -> Result<(), ConfigError> {
        if self.registration == Registration::Immediate && access != Mode::Local {
            let reason = "is immediate, by which accounts need no verified address; set ACCESS=local or \
                          REGISTRATION=verified";
            return Err(ConfigError { variable: "REGISTRATION", reason: reason.to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Registration};
    use service_kit::access::Mode;

    #[test]
    fn addresses_are_verified_where_others_reach_the_service() {
        let refused = |registration, access| Config { registration }.check(access).err().map(|error| error.to_string());
        assert_eq!(refused(Registration::Immediate, Mode::Local), None);
        for access in [Mode::Open, Mode::Required] {
            assert_eq!(refused(Registration::Verified, access), None);
            assert!(refused(Registration::Immediate, access).unwrap().contains("set ACCESS=local"));
        }
    }
}
