//! Exact amounts of money: a decimal in code, an exact JSON number on the wire, never a float.

use crate::exact::Exact;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};
use utoipa::ToSchema;

/// An amount in the shop's currency, in units with two decimals (`2499.99`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, ToSchema)]
#[schema(value_type = f64, format = "decimal", example = 2499.99)]
pub struct Money(Decimal);

/// Why a number is no amount of money.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidMoney {
    /// More than two digits after the decimal point: nothing is rounded behind the sender's back.
    #[error("must have at most two decimals")]
    TooPrecise,
    /// More than any order can cost: 22 digits before the decimal point, the bound of `NUMERIC(24,2)`.
    #[error("must be below 1e22")]
    TooLarge,
    /// No number of JSON: a text, an object, …
    #[error("must be a number with at most two decimals")]
    NoNumber,
}

/// The first amount that is too large, in hundredths.
const TOO_LARGE: i128 = 10_i128.pow(24);

/// The first amount that is too large for a price, the bound of `NUMERIC(12,2)`.
const TOO_DEAR: Decimal = Decimal::from_parts(1_410_065_408, 2, 0, false, 0);

impl Money {
    /// Reads a number of JSON in any notation, exactly: `2.5e3` is 2500.00.
    fn parse(number: &str) -> Result<Self, InvalidMoney> {
        let exact = Exact::parse(number).ok_or(InvalidMoney::NoNumber)?;
        let hundredths = exact.scaled(2).ok_or(InvalidMoney::TooPrecise)?;
        if hundredths.abs() >= TOO_LARGE {
            return Err(InvalidMoney::TooLarge);
        }
        Ok(Self(Decimal::from_i128_with_scale(hundredths, 2)))
    }

    /// Whether the amount can be the price of one piece: below 10,000,000,000. What many pieces cost may be more.
    pub fn fits_price(self) -> bool {
        self.0.abs() < TOO_DEAR
    }

    /// Whether the amount is above zero.
    pub fn is_positive(self) -> bool {
        self.0 > Decimal::ZERO
    }

    /// The amount for `quantity` pieces. Exact: a price has 12 digits, a quantity at most 10, a decimal 28.
    #[must_use]
    pub fn times(self, quantity: i32) -> Self {
        Self(self.0 * Decimal::from(quantity))
    }

    /// The plain decimal, as the database wants it.
    pub fn decimal(self) -> Decimal {
        self.0
    }
}

impl From<Decimal> for Money {
    /// Takes an amount that is known to be right, such as a column of `NUMERIC(12,2)`.
    fn from(mut amount: Decimal) -> Self {
        amount.rescale(2);
        Self(amount)
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self::from(amounts.map(|amount| amount.0).sum::<Decimal>())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An order is shown with ten amounts: by its hundredths, one is written in half the time.
        match (self.0.scale(), u64::try_from(self.0.mantissa())) {
            (2, Ok(hundredths)) => write!(f, "{}.{:02}", hundredths / 100, hundredths % 100),
            _ => write!(f, "{:.2}", self.0),
        }
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = self.to_string();
        serde_json::from_str::<&RawValue>(&number).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    /// Takes the number as it is written: what serde_json calls a number may also be an object, in a form of its own.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(number.get()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Money;

    fn parse(json: &str) -> Result<Money, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_price_crosses_the_wire_digit_by_digit() {
        for exact in ["2499.99", "0.10", "9999999999.99", "2500.00", "0.00"] {
            let json = serde_json::to_string(&parse(exact).unwrap()).unwrap();
            assert_eq!(json, exact);
        }
        assert_eq!(parse("2500").unwrap(), parse("2500.00").unwrap());
        assert_eq!(parse("2.5e3").unwrap(), parse("2500").unwrap());
        assert_eq!(parse("199e-2").unwrap().to_string(), "1.99");
        assert_eq!(parse("-0.5").unwrap().to_string(), "-0.50");
        assert_eq!(serde_json::from_value::<Money>(serde_json::json!(1.5)).unwrap().to_string(), "1.50");
    }

    #[test]
    fn what_is_no_price_is_refused() {
        assert!(parse("1.999").unwrap_err().contains("at most two decimals"));
        for large in ["1e22", "1e400", "-10000000000000000000000"] {
            assert!(parse(large).unwrap_err().contains("below 1e22"), "{large}");
        }
        let total = parse("9999999999999999999999.99").unwrap();
        assert!(!total.fits_price() && !parse("10000000000").unwrap().fits_price());
        assert!(parse("9999999999.99").unwrap().fits_price());
        for precise in ["1.9899999999999999999999999999999e0", "0.99999999999999999999999999999999999999e0", "5e-324"] {
            assert!(parse(precise).unwrap_err().contains("at most two decimals"), "{precise}");
        }
        for object in [r#"{"$serde_json::private::Number": "19.99"}"#, r#"{"$serde_json::private::RawValue": "19.99"}"#]
        {
            assert!(parse(object).unwrap_err().contains("must be a number"), "{object}");
        }
        assert!(parse("\"2499.99\"").is_err());
        assert!(parse("null").is_err());
    }

    #[test]
    fn multiplying_and_adding_is_exact_up_to_the_largest_order() {
        let largest = parse("9999999999.99").unwrap().times(i32::MAX);
        assert_eq!(largest.to_string(), "21474836469978525163.53");
        let total: Money = [parse("0.10").unwrap(), parse("0.20").unwrap()].into_iter().sum();
        assert_eq!(total, parse("0.30").unwrap());
    }
}
