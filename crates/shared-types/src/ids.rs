//! Typed identifiers, so that a product's number is never passed where an order's is meant.

use serde::{Deserialize, Deserializer, Serialize, de};
use sha1::{Digest, Sha1};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::{Builder, Uuid};

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = i64, minimum = 1, example = 1)]
        pub struct $name(pub i64);

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

numeric_id! {
    /// The number of a product in inventory-service, from 1 upwards.
    ProductId
}

numeric_id! {
    /// The number of an order in order-service, from 1 upwards.
    OrderId
}

numeric_id! {
    /// The number of a payment in order-service, from 1 upwards.
    PaymentId
}

impl OrderId {
    /// The number as people write it: `ORD-00000042`.
    pub fn order_number(self) -> String {
        format!("ORD-{:08}", self.0)
    }

    /// Reads a number as people write it, in any case.
    pub fn from_order_number(text: &str) -> Option<Self> {
        let (prefix, digits) = text.trim().split_once('-')?;
        let digits = Some(digits).filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))?;
        let id = prefix.eq_ignore_ascii_case("ORD").then(|| digits.parse().ok()).flatten()?;
        (id >= 1).then_some(Self(id))
    }
}

/// The public reference of an order, which is also the key of its reservation.
///
/// A UUIDv7. Where the client sent an `Idempotency-Key`, it is derived from the key and the hour: twins of one request
/// then carry the same reference and meet in one reservation and one order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Uuid, example = "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70")]
pub struct Reference(pub Uuid);

/// Characters of a UUID with its hyphens.
const HYPHENATED: usize = 36;

/// Namespace of what is derived from an `Idempotency-Key`.
const KEYED_REFERENCES: Uuid = Uuid::from_u128(0x6f6d_735f_6f72_4465_9265_6665_7265_6e63);

impl Reference {
    /// A new reference for a request without an `Idempotency-Key`: unique and ascending in time.
    pub fn random() -> Self {
        Self(Uuid::now_v7())
    }

    /// The one reference of all requests that carry `key` on `route` and come in the same hour (UTC) as `at`: a UUIDv7 with
    /// the time at which the hour began, and a hash instead of its random bits. So the entries of new orders lie together in
    /// every index, however many orders there are.
    pub fn from_idempotency_key(route: &str, key: &str, at: OffsetDateTime) -> Self {
        let hash = Sha1::new().chain_update(KEYED_REFERENCES).chain_update(route).chain_update("\n").chain_update(key);
        let [a, b, c, d, e, f, _, _, _, _, _, _, g, h, i, j, ..] = hash.finalize().0;
        let hour = u64::try_from(at.unix_timestamp()).unwrap_or_default() / 3600;
        Self(Builder::from_unix_timestamp_millis(hour * 3_600_000, &[a, b, c, d, e, f, g, h, i, j]).into_uuid())
    }
}

impl From<Uuid> for Reference {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a UUID")]
pub struct NoReference;

impl FromStr for Reference {
    type Err = NoReference;

    /// Reads the usual form with hyphens, in any case.
    fn from_str(text: &str) -> Result<Self, NoReference> {
        if text.len() != HYPHENATED {
            return Err(NoReference);
        }
        text.parse().map(Self).map_err(|_| NoReference)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{OrderId, Reference};
    use time::macros::datetime;

    #[test]
    fn the_same_key_on_the_same_route_gives_the_same_reference_for_an_hour() {
        let of = Reference::from_idempotency_key;
        let (ten, later) = (datetime!(2026-11-22 10:00 UTC), datetime!(2026-11-22 10:59:59.999 UTC));
        let first = of("POST /api/orders", "a", ten);
        assert_eq!(first, of("POST /api/orders", "a", later));
        assert_ne!(first, of("POST /api/orders", "b", ten));
        assert_ne!(first, of("POST /api/other", "a", ten));
        assert_ne!(first, of("POST /api/orders", "a", datetime!(2026-11-22 11:00 UTC)));
        assert_eq!(first.0.get_version_num(), 7);
        // As every build before derived it: a repeat across an update is the same order.
        assert_eq!(first.to_string(), "01a202b2-c500-7d47-b551-b439fd8d21c6");
        assert_ne!(Reference::random(), Reference::random());
    }

    #[test]
    fn an_order_number_is_read_as_people_write_it() {
        for text in ["ORD-00000042", "ord-42", " Ord-042 "] {
            assert_eq!(OrderId::from_order_number(text), Some(OrderId(42)), "{text}");
        }
        for text in ["", "42", "ORD", "ORD-", "ORD-0", "ORD--1", "ORD-+1", "ORD-1a", "ORD-9999999999999999999", "INV-1"]
        {
            assert_eq!(OrderId::from_order_number(text), None, "{text}");
        }
        assert_eq!(OrderId::from_order_number(&OrderId(i64::MAX).order_number()), Some(OrderId(i64::MAX)));
    }

    #[test]
    fn references_of_an_hour_lie_between_those_of_the_hours_around_it() {
        let of = |at| ["a", "b", "c", "d"].map(|key| Reference::from_idempotency_key("POST /api/orders", key, at));
        let hours = [datetime!(2026-11-22 9:30 UTC), datetime!(2026-11-22 10:30 UTC), datetime!(2026-11-22 11:30 UTC)];
        let [before, within, after] = hours.map(of);
        assert!(before.iter().max() < within.iter().min() && within.iter().max() < after.iter().min());
    }
}
