//! A place in PostgreSQL's write-ahead log.

use std::fmt::{Display, Formatter, Result};

/// A place in PostgreSQL's write-ahead log (LSN): what was committed before it stands before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position(u64);

impl Position {
    /// Behind everything: no replica comes so far, so the primary answers.
    pub(super) const END: Self = Self(u64::MAX);

    /// The place so many bytes from the beginning, as statements give it: `(lsn - '0/0')::bigint`.
    pub(super) fn at(bytes: i64) -> Self {
        Self(u64::try_from(bytes).unwrap_or_default())
    }

    /// Reads what [`Display`] writes, and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_position = text.len() == 16 && text.bytes().all(is_digit);
        u64::from_str_radix(text, 16).ok().filter(|_| is_position).map(Self)
    }

    /// How many bytes of the log lie between this place and a later one.
    pub(super) fn bytes_until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }
}

impl Display for Position {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn it_is_read_as_it_is_written_and_in_no_other_way() {
        for bytes in [0, 1, 0x16_B374_8000, i64::MAX] {
            let text = Position::at(bytes).to_string();
            assert_eq!((text.len(), Position::parse(&text)), (16, Some(Position::at(bytes))));
        }
        assert_eq!(Position::parse(&Position::END.to_string()), Some(Position::END));
        for bad in
            ["", "0", "0/16B3748", "00000000016B3748", "+000000000000001", "00000000000000001", "000000000000000g"]
        {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }
}
