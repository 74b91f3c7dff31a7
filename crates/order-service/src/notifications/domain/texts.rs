//! The texts of a message: as templates make them and providers take them.

/// A rendered e-mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailText {
    /// One line.
    pub subject: String,
    /// The plain-text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// The texts of a message by any channel, as they were sent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Texts {
    /// The subject of an e-mail.
    pub subject: Option<String>,
    /// The plain text.
    pub text: Option<String>,
    /// The HTML of an e-mail.
    pub html: Option<String>,
}

/// Without line breaks and other control characters, which would end a header.
pub fn one_line(text: &str) -> String {
    let parts = text.split(|c: char| c.is_control() || c.is_whitespace());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
