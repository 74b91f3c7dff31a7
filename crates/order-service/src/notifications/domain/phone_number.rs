//! Telephone numbers in the form of ITU-T E.164.

use phonenumber::Mode;
use phonenumber::country::Id;
use std::str::FromStr;

/// A number in E.164: `+442079460000`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhoneNumber(String);

/// Why a text is no telephone number; names what is wrong, never the number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPhoneNumber(String);

impl PhoneNumber {
    /// Reads a number as people write it; one without a country code is taken to be of `country` (ISO 3166, `GB`).
    pub fn parse(text: &str, country: Option<&str>) -> Result<Self, InvalidPhoneNumber> {
        let refused = |reason: &str| InvalidPhoneNumber(reason.to_owned());
        let text = text.trim();
        if !text.chars().any(|c| c.is_numeric()) {
            return Err(refused("the telephone number has no digits"));
        }
        if text.chars().any(char::is_alphabetic) {
            return Err(refused("the telephone number has letters"));
        }
        // As dialled from most of the world; nothing but a country code follows.
        let international = text.strip_prefix("00").map(|rest| format!("+{rest}"));
        let text = international.as_deref().unwrap_or(text);
        if country.is_none() && !text.starts_with(['+', '\u{ff0b}']) {
            return Err(refused("the telephone number has no country code, and no SMS_DEFAULT_COUNTRY is set"));
        }
        let country = country.map(parse_country).transpose()?;
        let number = phonenumber::parse(country, text).map_err(|error| InvalidPhoneNumber(reason(error)))?;
        if !phonenumber::is_valid(&number) {
            return Err(refused("the telephone number does not fit the numbering plan of its country"));
        }
        Ok(Self(number.format().mode(Mode::E164).to_string()))
    }

    /// With its plus sign.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether there is such a country.
pub fn is_country(code: &str) -> bool {
    parse_country(code).is_ok()
}

fn parse_country(code: &str) -> Result<Id, InvalidPhoneNumber> {
    Id::from_str(code).map_err(|_| InvalidPhoneNumber("SMS_DEFAULT_COUNTRY is no country of ISO 3166".to_owned()))
}

fn reason(error: phonenumber::ParseError) -> String {
    use phonenumber::ParseError::{InvalidCountryCode, TooLong, TooShortAfterIdd, TooShortNsn};
    let reason = match error {
        InvalidCountryCode => "the telephone number has a country code that is nobody's",
        TooShortNsn | TooShortAfterIdd => "the telephone number is too short",
        TooLong => "the telephone number is too long",
        _ => "the telephone number cannot be read",
    };
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::PhoneNumber;

    fn parse(text: &str, country: Option<&str>) -> Result<String, String> {
        PhoneNumber::parse(text, country).map(|number| number.as_str().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_as_people_write_them_become_e164() {
        for (text, country, wanted) in [
            ("+44 20 7946 0000", None, "+442079460000"),
            (" +44 (0)20 7946-0000 ", None, "+442079460000"),
            ("0044 7400 123456", None, "+447400123456"),
            ("020 7946 0000", Some("GB"), "+442079460000"),
            ("(415) 555-2671", Some("US"), "+14155552671"),
            ("+1.415.555.2671", Some("GB"), "+14155552671"),
            ("06 12 34 56 78", Some("FR"), "+33612345678"),
            ("0151/23456789", Some("DE"), "+4915123456789"),
            ("+39 06 698 12345", None, "+390669812345"),
        ] {
            assert_eq!(parse(text, country).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_with_a_reason_that_does_not_show_it() {
        for (text, country, wanted) in [
            ("", None, "no digits"),
            ("n/a", Some("GB"), "no digits"),
            ("020 7946 0000", None, "no country code"),
            ("+44 2", None, ""),
            ("+999 123456789", None, "nobody's"),
            ("+44 20", None, "numbering plan"),
            ("+44 20 7946 0000 0000 0000", None, ""),
            ("1-800-FLOWERS", Some("US"), "letters"),
            ("+44 20 7946 0000 ext. 12", None, "letters"),
            ("+1 415 000 0000", None, "numbering plan"),
            ("020 7946 0000", Some("ZZ"), "SMS_DEFAULT_COUNTRY"),
        ] {
            let error = parse(text, country).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            assert!(digits.len() < 3 || !error.contains(&digits[..3]), "{error}");
        }
    }
}
