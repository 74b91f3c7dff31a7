//! The choice that every private server is started with.

use std::fmt;
use std::str::FromStr;

/// Whether what a server was told must outlive a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As in production: for development data and for everything that measures or proves durability.
    Durable,
    /// Faster, and of no use after a crash of the machine: for tests.
    ThrowAway,
}

impl fmt::Display for Durability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Durable => "durable",
            Self::ThrowAway => "throw-away",
        })
    }
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "durable" => Ok(Self::Durable),
            "throw-away" => Ok(Self::ThrowAway),
            other => Err(format!("unknown durability {other}")),
        }
    }
}
