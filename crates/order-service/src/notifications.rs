//! What customers and the shop are told, by e-mail and SMS: which messages an event makes, the log of them, and sending.
//!
//! Others may call what is named here by `pub use`, and mount the module by `routes`, `consumers` and `jobs`. Nobody
//! tells a customer anything by another way.

mod channels;
mod codes;
mod commands;
mod config;
mod consumers;
mod dispatch;
mod domain;
mod error;
mod explain;
mod http;
mod jobs;
mod state;
mod store;
mod templates;
mod unsent_texts;

pub use channels::mail::{Mail, Mailer};
pub use channels::provider::{SendError, Taken};
pub use channels::sms::SmsGateway;
pub use commands::erase::{erase, hold_up_writers};
pub use config::Config;
pub use consumers::consumers;
pub use domain::code::Code;
pub use domain::log::Notification;
pub use domain::phone_number::PhoneNumber;
pub use domain::texts::MailText;
pub use domain::{Facts, Kind, OrderFacts};
pub use http::routes;
pub use jobs::jobs;
pub use state::Notifications;
pub use store::months::PARTITIONED;
pub use store::{INVARIANTS, of_order};
pub use templates::{MessageTemplates, samples};
