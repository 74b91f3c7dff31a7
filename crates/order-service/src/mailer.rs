//! Sends e-mail by SMTP.

use crate::message_templates::MailText;
use crate::provider::{SendError, Taken};

/// A message to send.
#[derive(Clone, Debug)]
pub struct Mail<'a> {
    /// Address of the recipient.
    pub to: &'a str,
    /// Name of the recipient, where there is one.
    pub to_name: Option<&'a str>,
    /// Left part of the Message-ID, the same each time this message is attempted.
    pub message_id: &'a str,
    /// What it says.
    pub text: &'a MailText,
}

/// A pool of connections to the mail server; clones share it.
#[derive(Clone, Debug)]
pub struct Mailer;

impl Mailer {
    /// Hands the message to the mail server.
    pub async fn send(&self, _mail: &Mail<'_>) -> Result<Taken, SendError> {
        Err(SendError::Unavailable { reason: "not built yet".to_owned(), retry_after: None })
    }
}
