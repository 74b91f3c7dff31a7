//! The one error of this crate: a sentence for the person at the terminal, and the exit code that goes with it.

use std::fmt;
use std::path::Path;

/// What a command or a server start ends with when it could not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestbedError {
    message: String,
    exit_code: u8,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, TestbedError>;

impl TestbedError {
    /// The work failed; exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: 1 }
    }

    /// The command line was not understood; exit code 2, as shells have it.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: 2 }
    }

    /// Ctrl-C or a termination signal came; exit code 130, as shells have it.
    pub fn interrupted() -> Self {
        Self { message: "interrupted".to_owned(), exit_code: 130 }
    }

    /// `doing` failed on `path` because of `cause`.
    pub fn io(doing: &str, path: &Path, cause: &std::io::Error) -> Self {
        Self::new(format!("{doing} {}: {cause}", path.display()))
    }

    /// The same error with what was being done put before its message.
    pub fn while_doing(self, doing: &str) -> Self {
        Self { message: format!("{doing}: {}", self.message), ..self }
    }

    /// The same error with more lines below its message, such as the end of a log. An interruption needs no details.
    pub fn with_details(self, details: &str) -> Self {
        if self.is_interruption() {
            return self;
        }
        Self { message: format!("{}\n{}", self.message, details.trim()), ..self }
    }

    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Whether this is [`TestbedError::interrupted`].
    pub fn is_interruption(&self) -> bool {
        self.exit_code == 130
    }
}

impl fmt::Display for TestbedError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for TestbedError {}
