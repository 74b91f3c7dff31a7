//! Query parameters as serde reads them. Each is a text that was checked before anything else sees it.

use crate::validation::FieldErrors;
use crate::validation::characters::is_blank;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;

/// Most characters of a parameter in a path or a query.
pub const LONGEST_PARAMETER: usize = 500;

/// Most parameters that an answer names.
const MOST_FAULTS: usize = 100;

/// Refuses a text that no parameter can be.
pub(super) fn check_text(text: &str) -> Result<(), String> {
    if text.chars().nth(LONGEST_PARAMETER).is_some() {
        Err(format!("must have at most {LONGEST_PARAMETER} characters"))
    } else if text.chars().any(char::is_control) {
        Err("must not contain control characters".to_owned())
    } else {
        Ok(())
    }
}

/// Names and values of a query: the values decoded, and as they were sent.
type Pairs<'q> = Vec<(Cow<'q, str>, Cow<'q, str>, &'q str)>;

/// A parameter in which a plus sign that was not escaped is one, where everywhere else it is a blank: an address, a time.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct PlusKept(pub String);

/// What serde calls it.
const PLUS_KEPT: &str = "PlusKept";

/// The pairs of a query, with what is at fault: names that `known` does not know, and those that stand twice.
/// Without `known`, every name is taken and the values are looked at.
fn decode<'q>(query: &'q str, known: Option<&[String]>) -> (Pairs<'q>, FieldErrors) {
    let (mut decoded, mut errors) = (Pairs::new(), FieldErrors::default());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if errors.0.len() >= MOST_FAULTS {
            break;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name) = decode_part(name, b' ') else {
            errors.add("query", "must be percent-encoded UTF-8");
            continue;
        };
        let shown: String = name.chars().take(100).collect();
        if known.is_some_and(|known| !known.iter().any(|known| *known == name)) {
            errors.add(shown, "is not known here");
            continue;
        }
        if decoded.iter().any(|(earlier, ..)| *earlier == name) {
            errors.add(shown, "stands twice");
            continue;
        }
        match decode_part(value, b' ').ok_or_else(|| "must be percent-encoded UTF-8".to_owned()) {
            // The extractors of the route look at the value, each at its own.
            Ok(text) if known.is_some() => decoded.push((name, text, value)),
            Ok(text) if is_blank(&text) => errors.add(shown, "must not be blank"),
            Ok(text) => match check_text(&text) {
                Ok(()) => decoded.push((name, text, value)),
                Err(message) => errors.add(shown, message),
            },
            Err(message) => errors.add(shown, message),
        }
    }
    (decoded, errors)
}

/// Decodes a part of a query as forms write it, in which a plus sign stands for a blank, or for what is given here; none
/// where an escape is cut off or the bytes are no UTF-8.
pub(crate) fn decode_part(part: &str, plus: u8) -> Option<Cow<'_, str>> {
    if !part.contains(['%', '+']) {
        return Some(Cow::Borrowed(part));
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'+' => plus,
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                rest = behind;
                digit(digits[0])? * 16 + digit(digits[1])?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Checks the names of a query and its encoding, before a route sees it. `known` are the names that the route has.
pub fn check_query(query: &str, known: &[String]) -> Result<(), FieldErrors> {
    decode(query, Some(known)).1.into_result(())
}

/// Reads a query; names that the type does not have are passed over, as another extractor may know them.
pub(crate) fn read<T: DeserializeOwned>(query: &str) -> Result<T, FieldErrors> {
    let (decoded, errors) = decode(query, None);
    let errors = RefCell::new(errors);
    let parameter = |(name, value, sent): (Cow<'_, str>, Cow<'_, str>, &'_ str)| {
        let kept = sent.contains('+').then(|| decode_part(sent, b'+')).flatten().map(Cow::into_owned);
        (name.to_string(), Parameter { name: name.into_owned(), value: value.into_owned(), kept, errors: &errors })
    };
    let pairs: Vec<_> = decoded.into_iter().map(parameter).collect();
    let read = T::deserialize(MapDeserializer::<_, Fault>::new(pairs.into_iter()));
    let mut errors = errors.take();
    match read {
        Ok(value) => errors.into_result(value),
        Err(Fault(message)) => {
            if errors.0.is_empty() {
                errors.add("query", message);
            }
            Err(errors)
        }
    }
}

/// Why a query cannot be read.
#[derive(Debug)]
struct Fault(String);

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// One value. What has the wrong type is noted, and a stand-in takes its place.
struct Parameter<'e> {
    name: String,
    value: String,
    /// With its plus signs, where it has any that were not escaped.
    kept: Option<String>,
    errors: &'e RefCell<FieldErrors>,
}

impl<'de> IntoDeserializer<'de, Fault> for Parameter<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Parameter<'_> {
    fn fault(&self, message: &str) {
        self.errors.borrow_mut().add(self.name.clone(), message);
    }
}

impl<'de> Deserializer<'de> for Parameter<'_> {
    type Error = Fault;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        let Self { value, kept, .. } = self;
        let value = kept.filter(|_| name == PLUS_KEPT).unwrap_or(value);
        visitor.visit_newtype_struct(Self { value, kept: None, ..self })
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if !matches!(self.value.as_str(), "true" | "false") {
            self.fault("must be true or false");
        }
        visitor.visit_bool(self.value == "true")
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let plain = !self.value.starts_with('+');
        match self.value.parse().ok().filter(|_| plain) {
            Some(number) => visitor.visit_i64(number),
            None => {
                self.fault("must be a whole number of at most 64 bits");
                visitor.visit_i64(0)
            }
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_string(self.value)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::{PlusKept, check_query, read};
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Filter {
        name: Option<String>,
        active: Option<bool>,
        quantity: Option<i64>,
    }

    #[test]
    fn a_query_is_read_as_forms_write_it() {
        let filter: Filter = read("name=a%2Bb+c%C3%A4&active=false&quantity=-3&limit=x&").unwrap();
        assert_eq!((filter.name.as_deref(), filter.active, filter.quantity), (Some("a+b cä"), Some(false), Some(-3)));
        assert!(read::<Filter>("").unwrap().name.is_none());
    }

    #[test]
    fn a_plus_sign_is_kept_where_it_makes_sense() {
        #[derive(Debug, Deserialize)]
        struct Customer {
            email: Option<PlusKept>,
            name: Option<String>,
        }
        let read = |query| read::<Customer>(query).map(|it| (it.email.map(|it| it.0), it.name)).unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(read("email=+a+b@c&name=+a+b"), (text("+a+b@c"), text(" a b")));
        assert_eq!(read("email=a%2Bb@c&name=a%2Bb"), (text("a+b@c"), text("a+b")));
        assert_eq!(read("email=a%20b+c"), (text("a b+c"), None));
    }

    #[test]
    fn every_parameter_at_fault_is_named() {
        let errors = read::<Filter>("name=%00&active=maybe&quantity=1.5").unwrap_err();
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["active", "name", "quantity"]);
        let known = ["name", "limit"].map(str::to_owned);
        for (query, fault) in [
            ("name=j%FCrgen", "name must be percent-encoded UTF-8"),
            ("name=%zz", "name must be percent-encoded UTF-8"),
            ("name=%e2%82", "name must be percent-encoded UTF-8"),
            ("name=a%4", "name must be percent-encoded UTF-8"),
            ("na%ffme=1", "query must be percent-encoded UTF-8"),
            ("limit=1&limit=2", "limit stands twice"),
            ("limit=1&lim%69t=1", "limit stands twice"),
            ("nmae=x&page=2", "nmae is not known here; page is not known here"),
        ] {
            assert_eq!(check_query(query, &known).unwrap_err().to_string(), fault, "{query}");
        }
        for (query, fault) in [
            ("name=", "name must not be blank"),
            ("name", "name must not be blank"),
            ("name=%20%E2%80%8B+", "name must not be blank"),
            ("name=a%00b", "name must not contain control characters"),
        ] {
            assert_eq!(read::<Filter>(query).unwrap_err().to_string(), fault, "{query}");
        }
        assert!(read::<Filter>(&format!("name={}", "x".repeat(501))).is_err());
        assert!(read::<Filter>(&format!("name={}&limit=5&&", "x".repeat(500))).is_ok());
        let many: String = (0..10_000).map(|number| format!("p{number}=1&")).collect();
        assert_eq!(check_query(&many, &known).unwrap_err().0.len(), super::MOST_FAULTS);
    }
}
