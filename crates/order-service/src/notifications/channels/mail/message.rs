//! A message as it goes over the wire (RFC 5322): headers, a plain-text part and an HTML part.

use super::{Envelope, Mail, Mailbox, Response, SendError};
use crate::notifications::domain::texts::one_line;
use lettre::Address;
use lettre::message::MultiPart;
use lettre::message::header::{HeaderName, HeaderValue};
use service_kit::contact::EmailAddress;

/// Longest name of a recipient that a header gets.
const LONGEST_NAME: usize = 100;

/// Longest subject; mail programs show about half of it.
const LONGEST_SUBJECT: usize = 200;

/// A message and whom it goes to.
pub(super) struct Message {
    pub(super) envelope: Envelope,
    /// The text with the dot that ends it, as it goes over the wire.
    pub(super) wire: String,
    id: String,
}

impl Message {
    pub(super) fn build(mail: &Mail<'_>, from: &Mailbox) -> Result<Self, SendError> {
        let refused = |reason: &str| SendError::Refused(reason.to_owned());
        let address = address(mail.to).ok_or_else(|| refused("the recipient is no e-mail address"))?;
        let name = mail.to_name.map(|name| one_line(name).chars().take(LONGEST_NAME).collect::<String>());
        let to = Mailbox::new(name.filter(|name| !name.is_empty()), address);
        let id = format!("<{}@{}>", mail.message_id, from.email.domain());
        let subject: String = one_line(&mail.text.subject).chars().take(LONGEST_SUBJECT).collect();
        // RFC 3834: keeps out-of-office replies away.
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let message = lettre::Message::builder()
            .from(from.clone())
            .to(to)
            .subject(subject)
            .message_id(Some(id.clone()))
            .date_now()
            .raw_header(automatic)
            .multipart(MultiPart::alternative_plain_html(mail.text.text.clone(), mail.text.html.clone()));
        let message = message.map_err(|_| refused("the message cannot be put together"))?;
        let text = String::from_utf8(message.formatted()).map_err(|_| refused("the message cannot be put together"))?;
        Ok(Self { envelope: message.envelope().clone(), wire: ended(&text), id })
    }

    /// Whether an address needs a server that knows RFC 6531.
    pub(super) fn beyond_ascii(&self) -> bool {
        self.envelope.to().iter().chain(self.envelope.from()).any(|address| !address.to_string().is_ascii())
    }

    /// What later reports call the message: the id in the server's answer where it gives one of its own, as Brevo does,
    /// else ours.
    pub(super) fn id_in(&self, answer: &Response) -> String {
        let said: String = answer.message().collect::<Vec<_>>().join(" ");
        let named = said.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(id, _)| id);
        let is_address = |id: &str| self.envelope.to().iter().any(|to| to.to_string() == id);
        match named.filter(|id| id.contains('@') && !is_address(id) && !id.contains(char::is_whitespace)) {
            Some(id) => format!("<{id}>"),
            None => self.id.clone(),
        }
    }
}

/// An address as it goes over the wire. Any server takes the domain in punycode; only the part before the `@` may need one
/// that knows RFC 6531.
///
/// The shop's own addresses, such as `root@localhost`, only have to be addresses to lettre.
pub(super) fn address(text: &str) -> Option<Address> {
    match EmailAddress::parse(text) {
        Ok(address) => Some(Address::new_dangerous(address.local(), address.domain())),
        Err(_) => text.parse().ok(),
    }
}

/// With its dots doubled where they begin a line, and the one that ends it (RFC 5321, 4.5.2).
///
/// lettre would do the same, but in two writes, and the second waits for the other side to acknowledge the first: that is
/// 40 ms for each message.
fn ended(text: &str) -> String {
    let mut wire = String::with_capacity(text.len() + text.len() / 50 + 5);
    for line in text.lines() {
        if line.starts_with('.') {
            wire.push('.');
        }
        wire.push_str(line);
        wire.push_str("\r\n");
    }
    wire.push_str(".\r\n");
    wire
}
