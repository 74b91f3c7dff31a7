//! The texts of a message: as templates make them and providers take them. `Debug` shows none of them: a text may hold a
//! code, and it says who its recipient is.

use std::fmt;

/// A rendered e-mail.
#[derive(Clone, PartialEq, Eq)]
pub struct MailText {
    /// One line.
    pub subject: String,
    /// The plain-text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// The texts of a message by any channel, as they were sent.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// The subject of an e-mail.
    pub subject: Option<String>,
    /// The plain text.
    pub text: Option<String>,
    /// The HTML of an e-mail.
    pub html: Option<String>,
}

impl fmt::Debug for MailText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailText").finish_non_exhaustive()
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").finish_non_exhaustive()
    }
}

/// Without line breaks and other control characters, which would end a header.
pub fn one_line(text: &str) -> String {
    let parts = text.split(|c: char| c.is_control() || c.is_whitespace());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
