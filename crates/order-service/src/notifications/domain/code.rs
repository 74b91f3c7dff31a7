//! A code as a mail shows it: one of account-service, or that of a guest's order.

use std::fmt;

/// What stands in the code's place in texts that are kept.
const HIDDEN: &str = "•••••••";

/// A code that proves that somebody reads mail to an address. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// The code itself.
    pub fn new(code: String) -> Self {
        Self(code)
    }

    /// Dots instead of a code.
    pub fn hidden() -> Self {
        Self(HIDDEN.to_owned())
    }

    /// As it stands in the mail: for the text of the mail, nowhere else.
    pub fn as_text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}
