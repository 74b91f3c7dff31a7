//! Typed identifiers, so that a product's number is never passed where an order's is meant.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;
use uuid::Uuid;

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

/// The public reference of an order, which is also the key of its reservation.
///
/// A UUIDv7, or a UUIDv5 derived from the `Idempotency-Key` where the client sent one: twins of one request then
/// carry the same reference and meet in one reservation and one order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Uuid, example = "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70")]
pub struct Reference(pub Uuid);

/// Namespace of the references that are derived from an `Idempotency-Key`.
const KEYED_REFERENCES: Uuid = Uuid::from_u128(0x6f6d_735f_6f72_4465_9265_6665_7265_6e63);

impl Reference {
    /// A new reference for a request without an `Idempotency-Key`: unique and ascending in time.
    pub fn random() -> Self {
        Self(Uuid::now_v7())
    }

    /// The one reference of all requests that carry `key` on `route`.
    pub fn from_idempotency_key(route: &str, key: &str) -> Self {
        Self(Uuid::new_v5(&KEYED_REFERENCES, format!("{route}\n{key}").as_bytes()))
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

impl FromStr for Reference {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn the_same_key_on_the_same_route_gives_the_same_reference() {
        let first = Reference::from_idempotency_key("POST /api/orders", "a");
        assert_eq!(first, Reference::from_idempotency_key("POST /api/orders", "a"));
        assert_ne!(first, Reference::from_idempotency_key("POST /api/orders", "b"));
        assert_ne!(first, Reference::from_idempotency_key("POST /api/other", "a"));
        assert_ne!(Reference::random(), Reference::random());
    }
}
