//! A JSON number as it is written, without a float in between: how money and whole numbers are read.

/// A number: `coefficient` times ten to the power of `exponent`.
///
/// The coefficient has no zeros at its end. One of more than 38 digits becomes the largest there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exact {
    negative: bool,
    coefficient: u128,
    exponent: i64,
}

/// Why a number is no whole number of 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotWhole {
    /// It has a fraction.
    #[error("must be a whole number")]
    Fraction,
    /// It is too small.
    #[error("must be at least {}", i64::MIN)]
    TooSmall,
    /// It is too large.
    #[error("must be at most {}", i64::MAX)]
    TooLarge,
}

impl Exact {
    /// Reads a number of JSON, such as `-1.50e3`; none where the text is no such number.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let (digits, power) = match digits.split_once(['e', 'E']) {
            Some((digits, power)) => (digits, parse_power(power)?),
            None => (digits, 0),
        };
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(a, b)| (a, Some(b)));
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        let only_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if leading_zero || !only_digits(whole) || fraction.is_some_and(|part| !only_digits(part)) {
            return None;
        }
        let fraction = fraction.unwrap_or_default();
        let (mut coefficient, mut zeros) = (0_u128, 0_u32);
        for digit in whole.bytes().chain(fraction.bytes()) {
            if digit == b'0' {
                zeros = zeros.saturating_add(1);
                continue;
            }
            let shift = if coefficient == 0 { 1 } else { zeros.saturating_add(1) };
            coefficient = coefficient.saturating_mul(10_u128.saturating_pow(shift));
            coefficient = coefficient.saturating_add(u128::from(digit - b'0'));
            zeros = 0;
        }
        let decimals = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        let exponent = power.saturating_sub(decimals).saturating_add(i64::from(zeros));
        Some(if coefficient == 0 {
            Self { negative, coefficient, exponent: 0 }
        } else {
            Self { negative, coefficient, exponent }
        })
    }

    /// The number times ten to the power of `decimals`, provided that this is whole; the largest there is where it is larger.
    pub fn scaled(self, decimals: u32) -> Option<i128> {
        let power = u32::try_from(self.exponent.saturating_add(i64::from(decimals)).min(100)).ok()?;
        let size = self.coefficient.saturating_mul(10_u128.saturating_pow(power));
        let size = i128::try_from(size).unwrap_or(i128::MAX);
        Some(if self.negative { -size } else { size })
    }

    /// The number, provided that it is whole and has 64 bits: `2`, `2.0` and `2e0` are.
    pub fn whole(self) -> Result<i64, NotWhole> {
        let number = self.scaled(0).ok_or(NotWhole::Fraction)?;
        i64::try_from(number).map_err(|_| if number < 0 { NotWhole::TooSmall } else { NotWhole::TooLarge })
    }
}

/// The power of ten behind the `e`; one beyond 64 bits becomes the largest there is.
fn parse_power(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Half of what there is leaves room for the digits behind the decimal point.
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(i64::MAX / 2);
    Some(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::{Exact, NotWhole};

    fn whole(text: &str) -> Result<i64, NotWhole> {
        Exact::parse(text).unwrap().whole()
    }

    #[test]
    fn every_notation_of_a_whole_number_is_read() {
        for (text, number) in
            [("2", 2), ("2.0", 2), ("2e0", 2), ("0.2e1", 2), ("200E-2", 2), ("-2.000", -2), ("1e2", 100)]
        {
            assert_eq!(whole(text), Ok(number), "{text}");
        }
        for zero in ["0", "-0", "0.0", "0e99999999999999999999", "0.000e-5"] {
            assert_eq!(whole(zero), Ok(0), "{zero}");
        }
        assert_eq!(whole("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(whole("-9223372036854775808"), Ok(i64::MIN));
    }

    #[test]
    fn what_is_not_whole_or_does_not_fit_is_told_apart() {
        for text in ["1.5", "1e-1", "0.1", "1.0000000000000000000000000000000000000000000000000001", "5e-324"] {
            assert_eq!(whole(text), Err(NotWhole::Fraction), "{text}");
        }
        for text in ["9223372036854775808", "1e19", "1e400", "1e99999999999999999999"] {
            assert_eq!(whole(text), Err(NotWhole::TooLarge), "{text}");
        }
        assert_eq!(whole("-9223372036854775809"), Err(NotWhole::TooSmall));
    }

    #[test]
    fn what_json_does_not_call_a_number_is_none() {
        for text in ["", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x1", "NaN", "1 ", "1_0", "--1", "1e1.5", "١"] {
            assert_eq!(Exact::parse(text), None, "{text}");
        }
    }

    #[test]
    fn thousands_of_digits_are_read() {
        let zeros = "0".repeat(5000);
        assert_eq!(whole(&format!("1.{zeros}")), Ok(1));
        assert_eq!(whole(&format!("1.{zeros}1")), Err(NotWhole::Fraction));
        assert_eq!(whole(&format!("1{zeros}")), Err(NotWhole::TooLarge));
    }
}
