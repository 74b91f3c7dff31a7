//! How people are named and reached: e-mail addresses, names and telephone numbers, as every service takes them.

mod email_address;
mod person;

pub use email_address::{EmailAddress, InvalidEmailAddress, kept_key, key_of};
pub use person::{parse_email, parse_name, parse_phone};
