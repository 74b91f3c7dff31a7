//! Sends SMS by Brevo's transactional SMS API.

use crate::phone_number::PhoneNumber;
use crate::provider::{SendError, Taken};

/// Brevo's API; clones share its connections.
#[derive(Clone, Debug)]
pub struct SmsGateway;

impl SmsGateway {
    /// Hands the text to Brevo.
    pub async fn send(&self, _to: &PhoneNumber, _text: &str) -> Result<Taken, SendError> {
        Err(SendError::Unavailable { reason: "not built yet".to_owned(), retry_after: None })
    }
}
