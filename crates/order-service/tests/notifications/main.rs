//! What reaches customers: mails as they look, and the clients that send mails and SMS.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod mail_pages;
mod mailer;
mod sms_gateway;
