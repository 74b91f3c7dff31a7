//! What stands in a link, and how a code is made.
//!
//! A token is 60 characters of Base64 for URLs: version, number of the order, last day, and the HMAC-SHA256 of these.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use service_kit::typed_code;
use shared_types::OrderId;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

/// Bytes of the key.
pub(super) const KEY: usize = 32;

/// Days for which a link is good, after the one on which its mail is written.
const VALID_DAYS: u32 = 180;

const VERSION: u8 = 1;

/// Bytes before the signature.
const SIGNED: usize = 1 + 8 + 4;

/// Characters of a token.
pub const TOKEN_LENGTH: usize = (SIGNED + 32) / 3 * 4;

const SECONDS_A_DAY: i64 = 86_400;

/// The token of the link to an order. The same throughout a day.
pub fn token(key: &hmac::Key, now: OffsetDateTime, order: OrderId) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(order.0.to_be_bytes());
    bytes.extend((day(now) + VALID_DAYS).to_be_bytes());
    let signature = hmac::sign(key, &bytes);
    bytes.extend(signature.as_ref());
    BASE64URL_NOPAD.encode(&bytes)
}

/// What a token says, which nobody has verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unverified {
    bytes: Vec<u8>,
    order: OrderId,
}

impl Unverified {
    /// Reads a token that has not expired. There is one way to write each.
    pub fn read(token: &str, now: OffsetDateTime) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok().filter(|_| token.len() == TOKEN_LENGTH)?;
        let (version, rest) = bytes.split_first()?;
        let (order, rest) = rest.split_first_chunk()?;
        let last_day = u32::from_be_bytes(*rest.first_chunk()?);
        let order = OrderId(i64::from_be_bytes(*order));
        (*version == VERSION && day(now) <= last_day).then_some(Self { bytes, order })
    }

    /// The order, if the token was made with this key. Takes as long whatever the signature is.
    pub fn verified(self, key: &hmac::Key) -> Option<OrderId> {
        let (signed, signature) = self.bytes.split_at_checked(SIGNED)?;
        hmac::verify(key, signed, signature).is_ok().then_some(self.order)
    }
}

/// The code by which an order is taken into an account: `7K2M-Q9XB`.
pub fn code(key: &hmac::Key, order: OrderId) -> String {
    // No token begins like this: the signature of one tells nothing of a code.
    let bytes = hmac::sign(key, format!("code of order {order}").as_bytes());
    typed_code::written(bytes.as_ref().first_chunk().copied().unwrap_or_default())
}

/// Whether what was typed is the code of the order. Takes as long whatever was typed.
pub fn is_code(key: &hmac::Key, order: OrderId, typed: &str) -> bool {
    let (typed, code) = (typed_code::canonical(typed), typed_code::canonical(&code(key, order)));
    typed.as_bytes().ct_eq(code.as_bytes()).into()
}

fn day(now: OffsetDateTime) -> u32 {
    u32::try_from(now.unix_timestamp() / SECONDS_A_DAY).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{TOKEN_LENGTH, Unverified, VALID_DAYS, code, is_code, token};
    use data_encoding::BASE64URL_NOPAD;
    use ring::hmac;
    use shared_types::OrderId;
    use time::macros::datetime;
    use time::{Duration, OffsetDateTime};

    const NOW: OffsetDateTime = datetime!(2026-11-25 10:15 UTC);

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    fn order_of(token: &str, now: OffsetDateTime, byte: u8) -> Option<i64> {
        Unverified::read(token, now)?.verified(&key(byte)).map(|order| order.0)
    }

    #[test]
    fn a_token_is_good_for_its_order_its_time_and_its_key() {
        let link = token(&key(1), NOW, OrderId(42));
        assert_eq!(link.len(), TOKEN_LENGTH);
        assert!(link.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')), "{link}");
        assert_eq!(order_of(&link, NOW, 1), Some(42));
        assert_eq!(order_of(&link, NOW, 2), None);
        let last = NOW.replace_time(time::Time::MIDNIGHT) + Duration::days(i64::from(VALID_DAYS) + 1);
        assert_eq!(order_of(&link, last - Duration::SECOND, 1), Some(42));
        assert_eq!(order_of(&link, last, 1), None);
        assert_ne!(token(&key(1), NOW, OrderId(43)), link);
        assert_eq!(token(&key(1), NOW + Duration::HOUR, OrderId(42)), link, "one link a day");
    }

    #[test]
    fn no_bit_of_a_token_can_be_changed() {
        let bytes = BASE64URL_NOPAD.decode(token(&key(1), NOW, OrderId(42)).as_bytes()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(order_of(&BASE64URL_NOPAD.encode(&changed), NOW, 1), None, "bit {bit}");
        }
    }

    #[test]
    fn there_is_one_way_to_write_a_token() {
        let link = token(&key(1), NOW, OrderId(42));
        let (shorter, longer) = (link[..TOKEN_LENGTH - 1].to_owned(), format!("{link}A"));
        let signed_anew = BASE64URL_NOPAD.encode(&BASE64URL_NOPAD.decode(link.as_bytes()).unwrap()[..32]);
        for other in
            [String::new(), shorter, longer, format!("{link}="), format!(" {link}"), signed_anew, "é".repeat(30)]
        {
            assert_eq!(Unverified::read(&other, NOW), None, "{other}");
        }
    }

    #[test]
    fn a_code_is_that_of_its_order() {
        let code_of = |order| code(&key(1), OrderId(order));
        assert_eq!(code_of(42), code_of(42));
        assert!(code_of(42) != code_of(43) && code_of(42) != code(&key(2), OrderId(42)));
        assert!(is_code(&key(1), OrderId(42), &code_of(42).to_lowercase().replace('-', " ")));
        for wrong in ["", "7", &code_of(43), &format!("{}0", code_of(42))] {
            assert!(!is_code(&key(1), OrderId(42), wrong), "{wrong}");
        }
    }
}
