//! Connections to the mail server: opened, encrypted, logged in, and kept for the next message.

use super::{MailConfig, MailTls, Trouble, refused};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::Rset;
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret;
use service_kit::config::ConfigError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How long a connection without work is kept; mail servers wait for minutes.
const IDLE: Duration = Duration::from_secs(20);

/// How long the other side gets to say that it is still there, or good-bye.
const COURTESY: Duration = Duration::from_secs(1);

/// Brevo's relay, which takes nothing from strangers.
const BREVO: &str = "smtp-relay.brevo.com";

/// The idle connections, the one that was used last on top, and how to open more.
pub(super) struct Connections {
    server: (String, u16),
    tls: MailTls,
    parameters: Option<TlsParameters>,
    credentials: Option<Credentials>,
    hello: ClientId,
    time: Duration,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// A connection that is ready for a message.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    since: Instant,
}

impl Connections {
    pub(super) fn new(config: &MailConfig, time: Duration) -> Result<Self, ConfigError> {
        if reqwest::Url::parse(&format!("smtp://{}", config.mail_host)).is_ok_and(|url| url.path() == "") {
            return Self::with(config, time);
        }
        Err(refused("MAIL_HOST", "must be the name of a host, such as mail.example.com"))
    }

    fn with(config: &MailConfig, time: Duration) -> Result<Self, ConfigError> {
        let by_port = if config.mail_port == 465 { MailTls::Implicit } else { MailTls::Starttls };
        let tls = config.mail_tls.unwrap_or(by_port);
        let credentials = credentials(config)?;
        if tls == MailTls::None && credentials.is_some() {
            return Err(refused(
                "MAIL_TLS",
                "none would send the password in the clear; leave MAIL_USERNAME out with it",
            ));
        }
        if credentials.is_none() && config.mail_host == BREVO {
            return Err(refused("MAIL_USERNAME", "must be set, because smtp-relay.brevo.com takes no mail without"));
        }
        let parameters = if tls == MailTls::None { None } else { Some(parameters(config)?) };
        if tls == MailTls::None && config.mail_ca_file.is_some() {
            return Err(refused("MAIL_CA_FILE", "has no use with MAIL_TLS=none"));
        }
        let idle: Arc<Mutex<Vec<Connection>>> = Arc::default();
        let server = (config.mail_host.clone(), config.mail_port);
        Ok(Self { server, tls, parameters, credentials, hello: ClientId::default(), time, idle })
    }

    /// A connection that was used before, if there is one.
    pub(super) fn idle(&self) -> Option<Connection> {
        self.lock().pop()
    }

    /// A new connection.
    pub(super) async fn open(&self) -> Result<Connection, Trouble> {
        let server = (self.server.0.as_str(), self.server.1);
        let mut smtp = match self.parameters.clone().filter(|_| self.tls == MailTls::Implicit) {
            Some(parameters) => {
                let time = Some(self.time);
                AsyncSmtpConnection::connect_tokio1(server, time, &self.hello, Some(parameters), None).await?
            }
            None => {
                // lettre leaves Nagle's algorithm on, which makes messages wait for acknowledgements.
                let stream = TcpStream::connect(server).await?;
                stream.set_nodelay(true)?;
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await?
            }
        };
        if let Some(parameters) = self.parameters.clone().filter(|_| self.tls == MailTls::Starttls) {
            if !smtp.can_starttls() {
                return Err(Trouble::NoStarttls);
            }
            smtp.starttls(parameters, &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            smtp.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(Connection { smtp, since: Instant::now() })
    }

    /// Keeps a connection for the next message, and sees to it that it is closed when none comes.
    pub(super) fn keep(&self, mut connection: Connection) {
        connection.since = Instant::now();
        let mut idle = self.lock();
        idle.push(connection);
        if idle.len() == 1 {
            tokio::spawn(close_idle(Arc::clone(&self.idle)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    pub(super) fn smtp(&mut self) -> &mut AsyncSmtpConnection {
        &mut self.smtp
    }

    /// Makes a connection whose message was refused fit for another one.
    pub(super) async fn reset(&mut self) -> bool {
        matches!(tokio::time::timeout(COURTESY, self.smtp.command(Rset)).await, Ok(Ok(_)))
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("server", &self.server).field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// Runs while there are idle connections.
async fn close_idle(idle: Arc<Mutex<Vec<Connection>>>) {
    loop {
        tokio::time::sleep(IDLE / 2).await;
        let old: Vec<Connection> = {
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            let (old, young) = idle.drain(..).partition(|connection| connection.since.elapsed() >= IDLE);
            *idle = young;
            old
        };
        for mut connection in old {
            let _ = tokio::time::timeout(COURTESY, connection.smtp.quit()).await;
        }
        if idle.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return;
        }
    }
}

fn credentials(config: &MailConfig) -> Result<Option<Credentials>, ConfigError> {
    match (&config.mail_username, &config.mail_password) {
        (Some(user), Some(password)) => Ok(Some(Credentials::new(user.clone(), password.expose_secret().to_owned()))),
        (Some(_), None) => Err(refused("MAIL_PASSWORD", "must be set where MAIL_USERNAME is")),
        (None, Some(_)) => Err(refused("MAIL_USERNAME", "must be set where MAIL_PASSWORD is")),
        (None, None) => Ok(None),
    }
}

fn parameters(config: &MailConfig) -> Result<TlsParameters, ConfigError> {
    let mut builder = TlsParameters::builder(config.mail_host.clone());
    if let Some(file) = &config.mail_ca_file {
        let unfit = |reason: String| ConfigError { variable: "MAIL_CA_FILE", reason };
        let pem = std::fs::read(file).map_err(|error| unfit(format!("cannot be read: {error}")))?;
        let found = pem.windows(11).any(|bytes| bytes == b"-----BEGIN ");
        let certificate = Certificate::from_pem(&pem).ok().filter(|_| found);
        let certificate = certificate.ok_or_else(|| unfit("holds no certificate in PEM".to_owned()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| ConfigError { variable: "MAIL_HOST", reason: error.to_string() })
}
