//! Times on the wire: RFC 3339 in UTC, always with six digits of a second, so that their texts sort as the times do.
//!
//! For `#[serde(with = "shared_types::times")]`. Six digits are what PostgreSQL keeps.

use serde::{Deserializer, Serializer, ser};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Why a text is no time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a time such as 2026-01-31T12:00:00Z")]
pub struct InvalidTime;

/// Reads a time of RFC 3339 and moves it to UTC. Refused where it is beyond the year 9999 there: no such time can be
/// written down again.
pub fn parse(text: &str) -> Result<OffsetDateTime, InvalidTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTime)?;
    time.checked_to_offset(UtcOffset::UTC).filter(|time| (0..=9999).contains(&time.year())).ok_or(InvalidTime)
}

/// The text of a time: `2026-01-31T12:00:00.000000Z`.
pub fn text(time: OffsetDateTime) -> Option<String> {
    written(time).map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// The same without an allocation, digit by digit: every answer has times, and formatting costs more than all the rest of
/// them.
fn written(time: OffsetDateTime) -> Option<[u8; 27]> {
    let time = time.checked_to_offset(UtcOffset::UTC).filter(|time| (0..=9999).contains(&time.year()))?;
    let ((year, month, day), (hour, minute, second, micro)) = (time.to_calendar_date(), time.to_hms_micro());
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut put = |end: usize, mut number: u32| {
        for digit in text[..end].iter_mut().rev() {
            if number == 0 {
                break;
            }
            *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
    };
    put(4, year.unsigned_abs());
    for (end, number) in [(7, u8::from(month)), (10, day), (13, hour), (16, minute), (19, second)] {
        put(end, number.into());
    }
    put(26, micro);
    Some(text)
}

/// Writes a time.
pub fn serialize<S: Serializer>(time: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    let text = written(*time).ok_or_else(|| ser::Error::custom("a time beyond the year 9999"))?;
    serializer.serialize_str(std::str::from_utf8(&text).map_err(ser::Error::custom)?)
}

/// Reads a time with any number of digits, as earlier builds wrote them.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
    time::serde::rfc3339::deserialize(deserializer)
}

/// The same for a time that may be missing.
pub mod option {
    use serde::{Deserializer, Serializer};
    use time::OffsetDateTime;

    /// Writes a time, or null.
    pub fn serialize<S: Serializer>(time: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a time, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
        time::serde::rfc3339::option::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, text};
    use time::macros::datetime;

    #[test]
    fn a_time_has_six_digits_whatever_it_has() {
        let written = |time| text(time).unwrap();
        assert_eq!(written(datetime!(2026-11-25 18:59:30.3111 UTC)), "2026-11-25T18:59:30.311100Z");
        assert_eq!(written(datetime!(2026-11-25 18:59:30 +1)), "2026-11-25T17:59:30.000000Z");
        assert_eq!(written(datetime!(0001-01-02 03:04:05.000_000_999 UTC)), "0001-01-02T03:04:05.000000Z");
    }

    #[test]
    fn a_time_that_utc_cannot_write_is_none() {
        for beyond in ["9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59-05:00", "0000-01-01T00:00:00+23:59"] {
            assert!(parse(beyond).is_err(), "{beyond}");
        }
        assert!(parse("9999-12-31T18:59:59-05:00").is_ok());
        assert!(parse("0000-01-01T00:00:00Z").is_ok());
        for no_time in
            ["", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "now", "2026-01-31T12:00:00 01:00"]
        {
            assert!(parse(no_time).is_err(), "{no_time}");
        }
    }
}
