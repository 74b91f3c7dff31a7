//! The place of a reservation in the order of age, as the cursor of a list.

use std::fmt;
use std::str::FromStr;
use time::OffsetDateTime;
use uuid::Uuid;

/// Since when a reservation is held, and its id: several are held in the same moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ByAge {
    pub created_at: OffsetDateTime,
    pub id: Uuid,
}

/// The key that a page of reservations ends with: of lists by age, or of lists by id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlaceInList {
    ByAge(ByAge),
    ById(Uuid),
}

/// A text that is no such key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoPlace;

impl fmt::Display for PlaceInList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Microseconds: as exact as PostgreSQL.
            Self::ByAge(ByAge { created_at, id }) => write!(f, "{}~{id}", created_at.unix_timestamp_nanos() / 1000),
            Self::ById(id) => id.fmt(f),
        }
    }
}

impl FromStr for PlaceInList {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let Some((at, id)) = text.split_once('~') else { return text.parse().map(Self::ById).map_err(|_| NoPlace) };
        let nanoseconds = at.parse::<i64>().map_err(|_| NoPlace).map(|at| i128::from(at) * 1000)?;
        let created_at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map_err(|_| NoPlace)?;
        Ok(Self::ByAge(ByAge { created_at, id: id.parse().map_err(|_| NoPlace)? }))
    }
}

#[cfg(test)]
mod tests {
    use super::{ByAge, PlaceInList};
    use time::macros::datetime;
    use uuid::Uuid;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let (created_at, id) = (datetime!(2026-01-31 12:00:00.123456 UTC), Uuid::from_u128(7));
        for place in [PlaceInList::ByAge(ByAge { created_at, id }), PlaceInList::ById(id)] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for bad in
            ["", "x", "1~", "~", "99999999999999999999~x", "9223372036854775807~00000000-0000-0000-0000-000000000007"]
        {
            assert!(bad.parse::<PlaceInList>().is_err(), "{bad}");
        }
    }
}
