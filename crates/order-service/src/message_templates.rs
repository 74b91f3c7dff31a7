//! Turns facts into texts by templates that a shop can replace.

use crate::domain::notifications::{Facts, Kind};

/// A rendered e-mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailText {
    /// One line.
    pub subject: String,
    /// The plain-text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// Why a template cannot be used; names the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

/// All templates; clones share them.
#[derive(Clone, Debug)]
pub struct MessageTemplates;

impl MessageTemplates {
    /// The e-mail about this.
    pub fn mail(&self, _kind: Kind, _facts: &Facts) -> Result<MailText, TemplateError> {
        Err(TemplateError("not built yet".to_owned()))
    }

    /// The SMS about this, within one segment where it fits.
    pub fn sms(&self, _kind: Kind, _facts: &Facts) -> Result<String, TemplateError> {
        Err(TemplateError("not built yet".to_owned()))
    }
}
