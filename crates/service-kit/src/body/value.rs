//! A JSON value as serde reads it: what has the wrong type is noted, and a stand-in takes its place.

use super::{Malformed, Report, Unknown};
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::value::RawValue;
use shared_types::exact::{Exact, NotWhole};
use std::borrow::Cow;
use std::fmt::{self, Display};

/// Most characters of a client's own name for a field that an answer repeats.
const LONGEST_NAME: usize = 100;

/// Where a value is: `items[0].quantity`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'p> {
    /// The body itself.
    Body,
    /// A field of an object.
    Field(&'p Place<'p>, &'p str),
    /// An element of an array.
    Element(&'p Place<'p>, usize),
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => f.write_str("body"),
            Self::Field(Self::Body, name) => f.write_str(shortened(name)),
            Self::Field(parent, name) => write!(f, "{parent}.{}", shortened(name)),
            Self::Element(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

fn shortened(name: &str) -> &str {
    name.char_indices().nth(LONGEST_NAME).map_or(name, |(end, _)| &name[..end])
}

/// Why a value could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is in the report.
    Noted,
    /// The type refused it.
    Here(String),
    /// The type needs this field.
    Missing(&'static str),
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noted => f.write_str("is at fault"),
            Self::Here(message) => f.write_str(message),
            Self::Missing(field) => write!(f, "{field} is required"),
        }
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::Here(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Here(format!("must be one of {}", expected.join(", ")))
    }

    // What serde says in these cases names types of ours.
    fn invalid_type(_: serde::de::Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Self::Here("has the wrong type".to_owned())
    }

    fn invalid_value(_: serde::de::Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Self::Here("has a value that is not allowed".to_owned())
    }
}

/// A value that is known to be JSON, without blanks around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'r, 'de> {
    pub json: &'de str,
    pub place: Place<'r>,
    pub report: &'r Report,
}

/// A text, copied only where it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The fields of an object, in the client's order.
struct Entries<'de>(Vec<(Cow<'de, str>, &'de RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(8);
                while let Some(Text(name)) = map.next_key()? {
                    entries.push((name, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'r, 'de> Value<'r, 'de> {
    /// The outcome of reading this value; what a type said of it goes into the report.
    pub fn placed<T>(self, read: Result<T, Fault>) -> Result<T, Fault> {
        match read {
            Ok(value) => return Ok(value),
            // A field further in is left out first: only where it cannot be does the value that holds it go, too.
            Err(Fault::Noted) if self.report.again.get() => return Err(Fault::Noted),
            Err(Fault::Noted) => {}
            Err(Fault::Here(message)) => self.fault(&message),
            Err(Fault::Missing(field)) => self.report.note(Place::Field(&self.place, field), "is required"),
        }
        self.report.leave_out(self.place);
        Err(Fault::Noted)
    }

    fn fault(self, message: &str) {
        self.report.note(self.place, message);
    }

    fn starts_with(self, first: char) -> bool {
        self.json.starts_with(first)
    }

    /// What this JSON is for serde_json. It is known to be JSON, but for escapes that are no character.
    fn parsed<T: Deserialize<'de>>(self) -> Result<T, Fault> {
        serde_json::from_str(self.json).map_err(|error| {
            self.report.malformed.replace(Some(Malformed { value: self.json.as_ptr().addr(), error }));
            Fault::Noted
        })
    }

    fn text(self) -> Result<Option<Cow<'de, str>>, Fault> {
        if self.starts_with('"') { self.parsed::<Text<'de>>().map(|Text(text)| Some(text)) } else { Ok(None) }
    }

    fn object<V: Visitor<'de>>(self, known: Option<&'static [&'static str]>, visitor: V) -> Result<V::Value, Fault> {
        let entries = if self.starts_with('{') {
            self.parsed::<Entries<'de>>()?.0
        } else {
            self.fault("must be an object");
            Vec::new()
        };
        let place = self.place;
        visitor.visit_map(Fields {
            object: self,
            place: &place,
            entries: entries.into_iter(),
            known,
            seen: 0,
            value: None,
        })
    }

    fn whole_number(self) -> Option<Result<i64, NotWhole>> {
        if let Ok(number) = self.json.parse() {
            return Some(Ok(number));
        }
        Exact::parse(self.json).map(Exact::whole)
    }

    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.whole_number() {
            Some(Ok(number)) => return visitor.visit_i64(number),
            Some(Err(error)) => self.fault(&error.to_string()),
            None => self.fault("must be a whole number"),
        }
        visitor.visit_i64(0)
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.integer(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Fault;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let missing = self.json == "null" || self.report.is_left_out(self.place);
        if missing { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.object(Some(known), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.object(None, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let elements = if self.starts_with('[') {
            self.parsed::<Vec<&'de RawValue>>()?
        } else {
            self.fault("must be an array");
            Vec::new()
        };
        let place = self.place;
        visitor.visit_seq(Elements { array: self, place: &place, elements: elements.into_iter().enumerate() })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text()? {
            Some(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Some(Cow::Owned(text)) => visitor.visit_string(text),
            None => {
                self.fault("must be a text");
                visitor.visit_borrowed_str("")
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if !matches!(self.json, "true" | "false") {
            self.fault("must be true or false");
        }
        visitor.visit_bool(self.json == "true")
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.text()? {
            Some(name) => visitor.visit_enum(name.into_deserializer()),
            None => Err(Fault::unknown_variant("", variants)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        // Asked for by `RawValue`, which takes the value as it is written.
        if name.starts_with("$serde_json::private::") {
            let mut json = serde_json::Deserializer::from_str(self.json);
            return json.deserialize_newtype_struct(name, visitor).map_err(Fault::custom);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match (self.json.as_bytes().first(), self.whole_number()) {
            (Some(b'{'), _) => self.deserialize_map(visitor),
            (Some(b'['), _) => self.deserialize_seq(visitor),
            (Some(b'"'), _) => self.deserialize_str(visitor),
            (Some(b't' | b'f'), _) => self.deserialize_bool(visitor),
            (Some(b'n'), _) => visitor.visit_unit(),
            (_, Some(Ok(number))) => visitor.visit_i64(number),
            _ => visitor.visit_f64(self.json.parse().map_err(Fault::custom)?),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// The fields of an object as serde reads them: each once, and only those that are known.
struct Fields<'r, 'de> {
    object: Value<'r, 'de>,
    place: &'r Place<'r>,
    entries: std::vec::IntoIter<(Cow<'de, str>, &'de RawValue)>,
    known: Option<&'static [&'static str]>,
    /// One bit for each known field that came.
    seen: u64,
    value: Option<(Cow<'de, str>, &'de RawValue)>,
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        for (name, value) in self.entries.by_ref() {
            let place = Place::Field(self.place, &name);
            if let Some(known) = self.known {
                let Some(index) = known.iter().position(|known| *known == name) else {
                    if self.object.report.unknown == Unknown::Refused {
                        self.object.report.note(place, "is not known here");
                    }
                    continue;
                };
                let bit = 1_u64.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or_default();
                if self.seen & bit != 0 {
                    self.object.report.note(place, "stands twice");
                    continue;
                }
                self.seen |= bit;
            }
            let key = seed.deserialize(StrDeserializer::new(&name)).map(Some);
            self.value = Some((name, value));
            return key;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let Some((name, value)) = self.value.take() else { return Err(Fault::Noted) };
        let place = Place::Field(self.place, &name);
        let value = Value { json: value.get(), place, report: self.object.report };
        value.placed(seed.deserialize(value))
    }
}

/// The elements of an array as serde reads them.
struct Elements<'r, 'de> {
    array: Value<'r, 'de>,
    place: &'r Place<'r>,
    elements: std::iter::Enumerate<std::vec::IntoIter<&'de RawValue>>,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((index, value)) = self.elements.next() else { return Ok(None) };
        let place = Place::Element(self.place, index);
        let value = Value { json: value.get(), place, report: self.array.report };
        value.placed(seed.deserialize(value)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len())
    }
}
