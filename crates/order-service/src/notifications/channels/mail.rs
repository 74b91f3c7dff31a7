//! Sends e-mail by SMTP (RFC 5321), with lettre.
//!
//! The steps are taken one by one, because what a failure means depends on the step: before the text is on its way
//! nothing was sent, whatever happened; after it, a lost connection leaves open whether the server has taken the message.

mod connections;
mod message;

use crate::notifications::channels::provider::{SendError, Taken, without_recipient};
use crate::notifications::config::{MailConfig, MailTls};
use crate::notifications::domain::texts::{MailText, one_line};
use connections::{Connection, Connections};
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use message::{Message, address};
use service_kit::config::ConfigError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

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
pub struct Mailer(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    from: Mailbox,
    connections: Connections,
    permits: Semaphore,
    limit: usize,
    time: Duration,
}

/// How far a message had come when something went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Connecting, encrypting, logging in.
    Connect,
    /// Naming the sender; anything wrong with it is wrong for every message.
    Sender { reused: bool, beyond_ascii: bool },
    /// Naming the recipient, asking to send the text.
    Recipient,
    /// The text is on its way.
    Text,
}

impl Mailer {
    /// Prepares the way to the mail server, and connects to nothing yet; nothing where no address to send from is set.
    pub fn new(config: &MailConfig) -> Result<Option<Self>, ConfigError> {
        let Some(from) = &config.mail_from_address else {
            return match &config.mail_username {
                Some(_) => Err(refused("MAIL_FROM_ADDRESS", "must be set where MAIL_USERNAME is")),
                None => Ok(None),
            };
        };
        let address = address(from).ok_or_else(|| refused("MAIL_FROM_ADDRESS", "must be an e-mail address"))?;
        let from = Mailbox::new(Some(one_line(&config.mail_from_name)), address);
        let limit = usize::from(config.mail_connections);
        let time = Duration::from_secs(config.mail_timeout_seconds.into());
        let connections = Connections::new(config, time)?;
        Ok(Some(Self(Arc::new(Parts { from, connections, permits: Semaphore::new(limit), limit, time }))))
    }

    /// Messages that can be under way at the same time.
    pub fn connections(&self) -> usize {
        self.0.limit
    }

    /// The longest that a message can be under way.
    pub fn time_limit(&self) -> Duration {
        self.0.time
    }

    /// Hands the message to the mail server.
    pub async fn send(&self, mail: &Mail<'_>) -> Result<Taken, SendError> {
        let message = Message::build(mail, &self.0.from)?;
        let _permit = self.0.permits.acquire().await.map_err(|_| unavailable("the mailer is closed"))?;
        let mut step = Step::Connect;
        match tokio::time::timeout(self.0.time, self.deliver(&message, &mut step)).await {
            Ok(Ok(answer)) => Ok(Taken { provider_id: Some(message.id_in(&answer)) }),
            Ok(Err(error)) => Err(outcome(step, &error, mail.to)),
            Err(_) if step == Step::Text => {
                Err(put_off("the mail server took too long to say whether it has the message"))
            }
            Err(_) => Err(unavailable("the mail server took too long")),
        }
    }

    /// An idle connection may have been closed by the other side long ago: that shows at its first command, and a new
    /// one is opened.
    async fn deliver(&self, message: &Message, step: &mut Step) -> Result<Response, Trouble> {
        let mut idle = self.0.connections.idle();
        loop {
            *step = Step::Connect;
            let reused = idle.is_some();
            let mut connection = match idle.take() {
                Some(connection) => connection,
                None => self.0.connections.open().await?,
            };
            match hand_over(&mut connection, message, reused, step).await {
                Ok(answer) => {
                    self.0.connections.keep(connection);
                    return Ok(answer);
                }
                Err(error) if matches!(step, Step::Sender { reused: true, .. }) && error.is_closed() => {}
                Err(error) => {
                    if error.is_refusal() && connection.reset().await {
                        self.0.connections.keep(connection);
                    }
                    return Err(error);
                }
            }
        }
    }
}

async fn hand_over(
    connection: &mut Connection,
    message: &Message,
    reused: bool,
    step: &mut Step,
) -> Result<Response, Trouble> {
    let (smtp, envelope) = (connection.smtp(), &message.envelope);
    let beyond_ascii = message.beyond_ascii();
    *step = Step::Sender { reused, beyond_ascii };
    if beyond_ascii && !smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
        return Err(Trouble::NoUtf8);
    }
    let parameters = if beyond_ascii { vec![MailParameter::SmtpUtfEight] } else { Vec::new() };
    smtp.command(MailFrom::new(envelope.from().cloned(), parameters)).await?;
    *step = Step::Recipient;
    for recipient in envelope.to() {
        smtp.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
    }
    smtp.command(Data).await?;
    *step = Step::Text;
    Ok(smtp.command(&message.wire).await?)
}

/// What kept a message from being taken.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Smtp(#[from] SmtpError),
    #[error("cannot be reached: {0}")]
    Away(#[from] std::io::Error),
    #[error("it offers no STARTTLS, so that nothing can be sent to it encrypted")]
    NoStarttls,
    #[error("it takes no addresses with letters beyond ASCII before the @ (SMTPUTF8)")]
    NoUtf8,
}

impl Trouble {
    fn code(&self) -> Option<u16> {
        match self {
            Self::Smtp(error) => error.status().map(u16::from),
            _ => None,
        }
    }

    /// The other side has closed the connection, or says that it does.
    fn is_closed(&self) -> bool {
        self.code().is_none_or(|code| code == 421)
    }

    /// The server answered, and stays on the line.
    fn is_refusal(&self) -> bool {
        !self.is_closed()
    }
}

fn outcome(step: Step, trouble: &Trouble, recipient: &str) -> SendError {
    let reason = without_recipient(&format!("the mail server: {trouble}"), recipient);
    let (refused, unavailable, put_off) = (SendError::Refused, unavailable, put_off);
    match (step, trouble.code()) {
        (_, None) if matches!(trouble, Trouble::NoUtf8) => refused(reason),
        (Step::Connect, _) | (_, Some(421)) => unavailable(reason),
        (Step::Sender { .. }, None) | (Step::Recipient, None) => unavailable(reason),
        (Step::Text, None) => put_off(reason),
        (_, Some(400..500)) => put_off(reason),
        // 530, 535 and 538 ask for another log-in, the others concern the sender: no message gets past that.
        (Step::Sender { beyond_ascii: false, .. }, Some(_)) | (_, Some(530 | 535 | 538)) => unavailable(reason),
        (_, Some(_)) => refused(reason),
    }
}

fn unavailable(reason: impl Into<String>) -> SendError {
    SendError::Unavailable { reason: reason.into(), retry_after: None }
}

fn put_off(reason: impl Into<String>) -> SendError {
    SendError::PutOff { reason: reason.into(), retry_after: None }
}

fn refused(variable: &'static str, reason: &str) -> ConfigError {
    ConfigError { variable, reason: reason.to_owned() }
}
