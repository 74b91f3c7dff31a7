//! What a code looks like, and what it is good for.

use crate::sealing::{Unsealable, random};
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

/// Minutes for which a code is good.
pub const VALID_MINUTES: i64 = 10;

/// Wrong codes after which the right one is no longer taken.
pub const TRIES: i32 = 5;

/// No two codes of one purpose are sent to a person within this time, whoever asks for them.
pub const PAUSE: Duration = Duration::MINUTE;

/// Letters and digits that nobody takes for each other (Crockford's Base32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a code: 40 bits, of which nobody gets further than 5 tries.
const LENGTH: usize = 8;

/// What a code is good for, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Showing that one reads mail to the address.
    Verify,
    /// Setting a new password.
    Reset,
    /// Nothing: the mail says that the address has an account already.
    Known,
}

impl Purpose {
    /// As the table and events write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "VERIFY",
            Self::Reset => "RESET",
            Self::Known => "KNOWN",
        }
    }
}

/// A new code as people read it: `7K2M-Q9XB`.
pub fn generate() -> Result<String, Unsealable> {
    let bytes: [u8; LENGTH] = random()?;
    let letters: Vec<char> =
        bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31))).copied().map(char::from).collect();
    let (head, tail) = letters.split_at(LENGTH / 2);
    Ok(format!("{}-{}", String::from_iter(head), String::from_iter(tail)))
}

/// The code as it is compared: what people leave out, add or take for something else does not count.
pub fn canonical(typed: &str) -> String {
    let letters = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').take(LENGTH + 1);
    let letters = letters.map(|c| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    });
    letters.collect()
}

/// A code as order-service gets it for the mail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenCode {
    /// The code.
    #[schema(example = "7K2M-Q9XB")]
    pub code: String,
    /// What it is good for.
    #[schema(example = "VERIFY")]
    pub purpose: String,
    /// Until when.
    #[serde(with = "shared_types::times")]
    pub expires_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::{canonical, generate};

    #[test]
    fn a_code_is_eight_characters_that_nobody_mixes_up() {
        let code = generate().unwrap();
        assert_eq!(code.len(), 9);
        assert_eq!(code.as_bytes()[4], b'-');
        assert!(!code.contains(['I', 'L', 'O', 'U']), "{code}");
        assert_ne!(generate().unwrap(), code);
    }

    #[test]
    fn a_code_is_taken_as_people_type_it() {
        for typed in ["7K2M-Q9X0", "7k2mq9xo", " 7k2m q9xO ", "7K2M--Q9X0"] {
            assert_eq!(canonical(typed), "7K2MQ9X0", "{typed:?}");
        }
        assert_eq!(canonical("il"), "11");
        assert_eq!(canonical(&"A".repeat(1000)).len(), 9);
    }
}
