//! What can be set for e-mail, SMS and their texts.

use clap::{Args, ValueEnum};
use secrecy::SecretString;
use service_kit::config::secret;
use std::path::PathBuf;
use std::time::Duration;

/// How the way to the mail server is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum MailTls {
    /// Begins in the clear and must become TLS before anything is said.
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// In the clear, for a mail server on this host.
    None,
}

/// Which mail server sends e-mail, and in whose name.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "E-mail")]
pub struct MailConfig {
    /// Mail server
    #[arg(long, env = "MAIL_HOST", default_value = "smtp-relay.brevo.com")]
    pub mail_host: String,
    /// Its port
    #[arg(long, env = "MAIL_PORT", default_value_t = 587)]
    pub mail_port: u16,
    /// Encryption: implicit by default on port 465, starttls on any other
    #[arg(long, env = "MAIL_TLS", value_enum)]
    pub mail_tls: Option<MailTls>,
    /// File with the certificates, in PEM, of an authority of your own that vouches for the mail server
    #[arg(long, env = "MAIL_CA_FILE")]
    pub mail_ca_file: Option<PathBuf>,
    /// User of the mail server
    #[arg(long, env = "MAIL_USERNAME")]
    pub mail_username: Option<String>,
    /// The user's password
    #[arg(long, env = "MAIL_PASSWORD", hide_env_values = true, value_parser = secret)]
    pub mail_password: Option<SecretString>,
    /// Address that e-mail comes from; no e-mail is sent where it is not set
    #[arg(long, env = "MAIL_FROM_ADDRESS")]
    pub mail_from_address: Option<String>,
    /// Name of the shop, as senders, subjects and texts have it
    #[arg(long, env = "MAIL_FROM_NAME", default_value = "Order desk")]
    pub mail_from_name: String,
    /// Most connections to the mail server
    #[arg(long, env = "MAIL_CONNECTIONS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub mail_connections: u16,
    /// Seconds that the mail server may take for a message
    #[arg(long, env = "MAIL_TIMEOUT_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=120))]
    pub mail_timeout_seconds: u16,
}

/// What Brevo makes of the texts: it charges advertisements otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SmsType {
    /// About something that the customer did.
    Transactional,
    /// Advertisement.
    Marketing,
}

/// How SMS are sent.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "SMS")]
pub struct SmsConfig {
    /// Key of Brevo's API; no SMS is sent where it is not set
    #[arg(long, env = "BREVO_API_KEY", hide_env_values = true, value_parser = secret)]
    pub brevo_api_key: Option<SecretString>,
    /// Where SMS are handed to Brevo
    #[arg(
        long,
        env = "BREVO_SMS_URL",
        hide_env_values = true,
        default_value = "https://api.brevo.com/v3/transactionalSMS/send"
    )]
    pub brevo_sms_url: String,
    /// Who SMS come from: 3 to 11 letters and digits, or a number of up to 15 digits
    #[arg(long, env = "BREVO_SMS_SENDER")]
    pub brevo_sms_sender: Option<String>,
    /// What Brevo takes the texts for
    #[arg(long, env = "BREVO_SMS_TYPE", value_enum, default_value_t = SmsType::Transactional)]
    pub brevo_sms_type: SmsType,
    /// Tag of the texts in Brevo's statistics
    #[arg(long, env = "BREVO_SMS_TAG")]
    pub brevo_sms_tag: Option<String>,
    /// Seconds that Brevo may take for an SMS
    #[arg(long, env = "BREVO_TIMEOUT_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=120))]
    pub brevo_timeout_seconds: u16,
    /// Secret that Brevo's reports bring in the header X-Webhook-Secret; none are taken where it is not set
    #[arg(long, env = "BREVO_WEBHOOK_SECRET", hide_env_values = true, value_parser = secret)]
    pub brevo_webhook_secret: Option<SecretString>,
    /// Country (ISO 3166, such as GB) of telephone numbers that name none
    #[arg(long, env = "SMS_DEFAULT_COUNTRY")]
    pub sms_default_country: Option<String>,
}

/// What notifications say, whom the shop itself has told, and by which providers they go.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Notifications")]
#[group(id = "notifications")]
pub struct Config {
    /// Folder with templates that take the place of those built in
    #[arg(long, env = "NOTIFICATION_TEMPLATES")]
    pub notification_templates: Option<PathBuf>,
    /// Address that is told when stock runs low
    #[arg(long, env = "OPERATIONS_EMAIL")]
    pub operations_email: Option<String>,
    /// Milliseconds that a mail server, an SMS gateway or account-service is left alone after five failures in a row
    #[arg(long, env = "NOTIFICATION_CIRCUIT_PAUSE_MS", default_value_t = 5000)]
    pub notification_circuit_pause_ms: u64,
    /// Months after which messages are archived, counted from the end of the month of their event; 0 for never
    #[arg(long, env = "NOTIFICATIONS_KEEP_MONTHS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1200))]
    pub notifications_keep_months: u16,
    #[command(flatten)]
    pub mail: MailConfig,
    #[command(flatten)]
    pub sms: SmsConfig,
}

impl Config {
    /// How long a mail server, an SMS gateway or account-service is left alone once it failed again and again.
    pub fn circuit_pause(&self) -> Duration {
        Duration::from_millis(self.notification_circuit_pause_ms)
    }
}
