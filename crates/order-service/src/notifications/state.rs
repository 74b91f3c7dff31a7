//! What the module keeps while the service runs: templates, channels, and the queue of outcomes.

use super::channels::Outbound;
use super::config::Config;
use super::dispatch::{self, Outcomes, Wake};
use super::domain::{Channel, Facts};
use crate::account_service::AccountService;
use crate::guest_links::{GuestLink, GuestLinks};
use secrecy::{ExposeSecret, SecretString};
use service_kit::access::Mode;
use service_kit::config::BrokerConfig;
use service_kit::db::Database;
use service_kit::fault::Fault;
use service_kit::health::{Circuit, Dependency};
use service_kit::lifecycle::StartError;
use service_kit::retries::RetryDelays;
use std::sync::Arc;
use time::OffsetDateTime;

/// The module's part of the application state.
#[derive(Debug)]
pub struct Notifications {
    pub(super) db: Database,
    /// The ways by which messages leave the house.
    pub(super) outbound: Outbound,
    /// The way to the codes that mails show.
    pub(super) accounts: AccountService,
    /// The links that mails to guests show.
    pub(super) links: Arc<GuestLinks>,
    /// Whether kept texts show codes, too: where the log is the only mailbox.
    pub(super) shows_codes: bool,
    /// How long a message waits that a provider put off.
    pub(super) delays: RetryDelays,
    /// Told when messages wait to be sent.
    pub(super) wake: Wake,
    /// The queue of what came of sending messages.
    pub(super) outcomes: Outcomes,
    /// What Brevo has to send with its reports.
    pub(super) webhook_secret: Option<SecretString>,
}

impl Notifications {
    /// Reads the templates and prepares the channels; connects to nothing yet.
    pub fn new(
        config: &Config,
        access: Mode,
        broker: &BrokerConfig,
        accounts: AccountService,
        links: Arc<GuestLinks>,
        db: Database,
    ) -> Result<Self, StartError> {
        Ok(Self {
            outbound: Outbound::new(config)?,
            accounts,
            links,
            shows_codes: access == Mode::Local,
            delays: broker.retry_delays_ms.clone(),
            wake: Wake::default(),
            outcomes: dispatch::start_outcomes(db.clone()),
            webhook_secret: config.sms.brevo_webhook_secret.clone().filter(|secret| !secret.expose_secret().is_empty()),
            db,
        })
    }

    /// The link that the message shows, if it is an e-mail about an order that is nobody's.
    pub(super) async fn link(&self, channel: Channel, facts: &Facts) -> Result<Option<GuestLink>, Fault> {
        match facts.guest_order().filter(|_| channel == Channel::Email) {
            Some(order) => self.links.to(OffsetDateTime::now_utc(), order).await,
            None => Ok(None),
        }
    }

    /// The provider of each channel that is set up, with the circuit in front of it.
    pub fn dependencies(&self) -> impl Iterator<Item = (&'static str, Dependency)> {
        self.outbound.routes.iter().map(|route| {
            let (name, circuit) = (route.name(), route.circuit.shown());
            let away = || Err("it failed again and again: messages wait, and one is tried at times".to_owned());
            let status = if circuit == Circuit::Closed { Ok(()) } else { away() };
            (name, Dependency::optional(status).behind(circuit))
        })
    }
}
