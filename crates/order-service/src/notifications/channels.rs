//! The ways by which messages leave the house, as far as they are set up, and the texts they carry.

pub mod mail;
pub mod provider;
pub mod sms;

use crate::notifications::channels::mail::{Mail, Mailer};
use crate::notifications::channels::provider::{SendError, Taken};
use crate::notifications::channels::sms::SmsGateway;
use crate::notifications::config::Config;
use crate::notifications::domain::phone_number::PhoneNumber;
use crate::notifications::domain::rules::Ways;
use crate::notifications::domain::texts::{MailText, Texts};
use crate::notifications::domain::{Channel, Facts, Kind};
use crate::notifications::templates::{MessageTemplates, TemplateError};
use service_kit::circuit::{CircuitBreaker, Guarded, Verdict};
use service_kit::health::Circuit;
use service_kit::lifecycle::StartError;
use std::time::Duration;

/// How much longer than its own time limit an attempt may take before it is broken off: that would be a fault of ours.
const SPARE_TIME: Duration = Duration::from_secs(1);

/// Everything messages need to be written and sent.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// What is set up.
    pub ways: Ways,
    /// By what messages are sent.
    pub routes: Vec<Route>,
    templates: MessageTemplates,
}

/// One channel that is set up; clones share its connections and its circuit.
#[derive(Clone, Debug)]
pub struct Route {
    /// The channel.
    pub channel: Channel,
    /// Messages sent at the same time.
    pub connections: usize,
    /// How long an attempt may take; it is broken off then.
    pub patience: Duration,
    /// Refuses at once what would fail anyway.
    pub circuit: CircuitBreaker,
    provider: Provider,
}

#[derive(Clone, Debug)]
enum Provider {
    Mail(Mailer),
    Sms(SmsGateway),
}

/// A message with its text, ready to be handed over.
#[derive(Clone, Debug)]
pub struct Letter {
    /// To whom: an e-mail address or a number in E.164.
    pub recipient: String,
    /// Name of the recipient, where there is one.
    pub name: Option<String>,
    /// The same each time this message is attempted.
    pub message_id: String,
    /// What it says.
    pub texts: Texts,
}

impl Outbound {
    /// Reads the configuration; connects to nothing yet.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        let (mailer, gateway) = (Mailer::new(&config.mail)?, SmsGateway::new(&config.sms)?);
        let ways = Ways {
            email: mailer.is_some(),
            sms: gateway.is_some(),
            operations: config.operations_email.clone().filter(|address| !address.is_empty()),
            country: config.sms.sms_default_country.clone(),
        };
        if ways.sms {
            // The plans of all countries are read with the first number, which takes a while: better now than later,
            // when orders would wait for it.
            let _ = PhoneNumber::parse("+442079460000", None);
        }
        let templates = MessageTemplates::load(config)?;
        let providers = mailer.map(Provider::Mail).into_iter().chain(gateway.map(Provider::Sms));
        let pause = config.circuit_pause();
        let routes = providers.map(|provider| Route::new(provider, pause)).collect();
        Ok(Self { ways, routes, templates })
    }

    /// The name of what sends by this channel, where the circuit in front of it stands, and how long that stays shut.
    pub fn provider(&self, channel: Channel) -> (&'static str, (Circuit, Duration)) {
        let route = self.routes.iter().find(|route| route.channel == channel);
        let circuit = route.map(|route| (route.circuit.shown(), route.circuit.remaining()));
        (name(channel), circuit.unwrap_or((Circuit::Closed, Duration::ZERO)))
    }

    /// What a message says.
    pub fn texts(&self, channel: Channel, kind: Kind, facts: &Facts) -> Result<Texts, TemplateError> {
        match channel {
            Channel::Email => {
                let MailText { subject, text, html } = self.templates.mail(kind, facts)?;
                Ok(Texts { subject: Some(subject), text: Some(text), html: Some(html) })
            }
            Channel::Sms => Ok(Texts { text: Some(self.templates.sms(kind, facts)?), ..Texts::default() }),
        }
    }
}

impl Route {
    fn new(provider: Provider, pause: Duration) -> Self {
        let (channel, connections, limit) = match &provider {
            Provider::Mail(mailer) => (Channel::Email, mailer.connections(), mailer.time_limit()),
            Provider::Sms(gateway) => (Channel::Sms, gateway.connections(), gateway.time_limit()),
        };
        let label = Some(("channel", channel.as_str()));
        let circuit = CircuitBreaker::new(Guarded { name: name(channel), metrics: "notification", label, pause });
        Self { channel, connections, patience: limit + SPARE_TIME, circuit, provider }
    }

    /// The provider's name among the dependencies.
    pub fn name(&self) -> &'static str {
        name(self.channel)
    }

    /// Hands a message to the provider, unless the circuit is open: then there is no answer.
    pub async fn send(&self, letter: Letter) -> Option<Result<Taken, SendError>> {
        let (provider, patience) = (self.provider.clone(), self.patience);
        let sending = async move {
            tokio::time::timeout(patience, provider.send(&letter)).await.unwrap_or_else(|_| {
                Err(SendError::Unavailable { reason: "no answer in time".to_owned(), retry_after: None })
            })
        };
        self.circuit.call(sending, verdict).await
    }
}

fn name(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "mail-server",
        Channel::Sms => "sms-gateway",
    }
}

/// A message that is refused or put off shows that the provider works.
fn verdict(sent: &Result<Taken, SendError>) -> Verdict {
    match sent {
        Err(SendError::Unavailable { retry_after: Some(time), .. }) => Verdict::Away(*time),
        Err(SendError::Unavailable { retry_after: None, .. }) => Verdict::Fails,
        Ok(_) | Err(SendError::Refused(_) | SendError::PutOff { .. }) => Verdict::Works,
    }
}

impl Provider {
    async fn send(&self, letter: &Letter) -> Result<Taken, SendError> {
        let text = letter.texts.text.as_deref().unwrap_or_default();
        match self {
            Self::Mail(mailer) => {
                let text = MailText {
                    subject: letter.texts.subject.clone().unwrap_or_default(),
                    text: text.to_owned(),
                    html: letter.texts.html.clone().unwrap_or_default(),
                };
                let (to, to_name, message_id) = (&letter.recipient, letter.name.as_deref(), &letter.message_id);
                mailer.send(&Mail { to, to_name, message_id, text: &text }).await
            }
            Self::Sms(gateway) => match PhoneNumber::parse(&letter.recipient, None) {
                Ok(number) => gateway.send(&number, text).await,
                Err(error) => Err(SendError::Refused(format!("no telephone number: {error}"))),
            },
        }
    }
}
