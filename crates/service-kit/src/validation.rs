//! Collects what is wrong with an input, every field at once.

pub mod characters;

use shared_types::times;
use std::collections::BTreeMap;
use std::fmt::Display;
use time::OffsetDateTime;

/// Fields at fault and what each must be: `items[0].quantity` → `must be at least 1`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FieldErrors(pub BTreeMap<String, String>);

impl Display for FieldErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (field, message)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{field} {message}")?;
        }
        Ok(())
    }
}

impl FieldErrors {
    /// Notes that a field is at fault; the first finding of a field stands.
    pub fn add(&mut self, field: impl Into<String>, message: impl Display) {
        self.0.entry(field.into()).or_insert_with(|| message.to_string());
    }

    /// A single field at fault.
    pub fn one(field: impl Into<String>, message: impl Display) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    /// `value`, or every field at fault.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// A text of one line that must be there, trimmed, of 1 to `longest` characters. Gives an empty one where it is at fault.
    pub fn required_text(&mut self, field: &str, value: Option<String>, longest: usize) -> String {
        let value = self.required(field, value);
        self.optional_text(field, value, longest).unwrap_or_default()
    }

    /// A text of one line that may be left out; blank counts as left out.
    pub fn optional_text(&mut self, field: &str, value: Option<String>, longest: usize) -> Option<String> {
        self.bounded(field, &value?, longest, characters::unfit_for_a_line)
    }

    /// A text of several lines that must be there, otherwise as [`Self::required_text`]. Each line ends with `\n`, whatever the
    /// client wrote, and a tab is a blank.
    pub fn required_lines(&mut self, field: &str, value: Option<String>, longest: usize) -> String {
        let value = self.required(field, value);
        self.optional_lines(field, value, longest).unwrap_or_default()
    }

    /// A text of several lines that may be left out; blank counts as left out.
    pub fn optional_lines(&mut self, field: &str, value: Option<String>, longest: usize) -> Option<String> {
        self.bounded(field, &characters::unix_lines(&value?), longest, characters::unfit_for_lines)
    }

    /// A time of RFC 3339 that may be left out, in UTC.
    pub fn time(&mut self, field: &str, value: Option<String>) -> Option<OffsetDateTime> {
        times::parse(&value?).map_err(|error| self.add(field, error)).ok()
    }

    fn required(&mut self, field: &str, value: Option<String>) -> Option<String> {
        match &value {
            None => self.add(field, "is required"),
            Some(text) if characters::is_blank(text) => self.add(field, "must not be blank"),
            Some(_) => {}
        }
        value
    }

    /// A whole number that must be there and lie within the range. Gives the lower bound where it is at fault.
    pub fn required_number(
        &mut self,
        field: impl Display,
        value: Option<i64>,
        range: std::ops::RangeInclusive<i32>,
    ) -> i32 {
        match value {
            None => self.add(field.to_string(), "is required"),
            Some(number) => return self.number(field, number, range),
        }
        *range.start()
    }

    /// A whole number that must lie within the range. Gives the lower bound where it is at fault.
    pub fn number(&mut self, field: impl Display, value: i64, range: std::ops::RangeInclusive<i32>) -> i32 {
        let must = match i32::try_from(value) {
            Ok(number) if range.contains(&number) => return number,
            _ if value < i64::from(*range.start()) => format!("must be at least {}", range.start()),
            _ => format!("must be at most {}", range.end()),
        };
        self.add(field.to_string(), must);
        *range.start()
    }

    /// The one way for a text of a client to a statement: PostgreSQL cannot store NUL, and its columns are bounded.
    fn bounded(
        &mut self,
        field: &str,
        text: &str,
        longest: usize,
        unfit: fn(&str) -> Option<String>,
    ) -> Option<String> {
        let text = text.trim();
        if characters::is_blank(text) {
            None
        } else if text.len() > longest && text.chars().nth(longest).is_some() {
            self.add(field, format!("must have at most {longest} characters"));
            None
        } else if let Some(unfit) = unfit(text) {
            self.add(field, format!("must not contain {unfit}"));
            None
        } else {
            Some(text.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FieldErrors;

    #[test]
    fn every_field_at_fault_is_named() {
        let mut errors = FieldErrors::default();
        assert_eq!(errors.required_text("name", Some("  Ada ".to_owned()), 10), "Ada");
        errors.required_text("email", None, 10);
        errors.required_text("blank", Some(" ".to_owned()), 10);
        errors.required_text("long", Some("x".repeat(11)), 10);
        errors.optional_text("nul", Some("a\0b".to_owned()), 10);
        errors.required_number("few", Some(0), 1..=9);
        errors.required_number("many", Some(i64::MAX), 1..=9);
        errors.required_number("none", None, 1..=9);
        let found: Vec<_> = errors.0.iter().map(|(field, message)| format!("{field}: {message}")).collect();
        assert_eq!(
            found,
            [
                "blank: must not be blank",
                "email: is required",
                "few: must be at least 1",
                "long: must have at most 10 characters",
                "many: must be at most 9",
                "none: is required",
                "nul: must not contain a control character (U+0000)",
            ]
        );
    }

    /// What comes of a text as one line, and as several.
    fn read(text: &str) -> [Result<String, String>; 2] {
        type Read = fn(&mut FieldErrors, &str, Option<String>, usize) -> String;
        let read = |read: Read| {
            let mut errors = FieldErrors::default();
            let value = read(&mut errors, "text", Some(text.to_owned()), 20);
            errors.into_result(value).map_err(|errors| errors.to_string())
        };
        [read(FieldErrors::required_text), read(FieldErrors::required_lines)]
    }

    #[test]
    fn several_lines_are_taken_where_they_make_sense() {
        for (text, lines) in [
            ("12 Main St\r\nLondon", "12 Main St\nLondon"),
            ("a\rb", "a\nb"),
            ("a\u{2028}b\u{2029}c", "a\nb\nc"),
            ("a\tb", "a b"),
            ("\r\na\r\n", "a"),
        ] {
            let [line, several] = read(text);
            assert_eq!(several.as_deref(), Ok(lines), "{text:?}");
            assert_eq!(line.is_err(), lines != "a", "{text:?}: {line:?}");
        }
        assert_eq!(read("a\nb")[0], Err("text must not contain a line end (U+000A)".to_owned()));
        assert_eq!(read("a\tb")[0], Err("text must not contain a tab (U+0009)".to_owned()));
    }

    #[test]
    fn what_nobody_sees_is_refused_and_counts_as_blank() {
        for hidden in
            ['\u{200b}', '\u{feff}', '\u{202e}', '\u{2066}', '\u{3164}', '\u{ad}', '\u{e0041}', '\u{2060}', '\u{200d}']
        {
            for refused in read(&format!("a{hidden}b")) {
                let message = refused.unwrap_err();
                assert!(message.contains(&format!("U+{:04X}", u32::from(hidden))), "{message}");
            }
            let blank = format!(" {hidden}\u{a0}{hidden}");
            assert_eq!(read(&blank), [(); 2].map(|()| Err("text must not be blank".to_owned())), "{blank:?}");
        }
        for control in ['\0', '\u{7}', '\u{7f}', '\u{85}', '\u{9f}', '\u{b}'] {
            assert!(read(&format!("a{control}b")).iter().all(Result::is_err), "{control:?}");
        }
    }

    #[test]
    fn what_joins_visible_characters_is_taken() {
        // Emoji of several parts, Persian, Hindi.
        for text in ["❤\u{fe0f} x", "👩\u{200d}🔧", "می\u{200c}خواهم", "क\u{94d}\u{200d}ष", "Zoë", "O’Neill"]
        {
            assert_eq!(read(text), [(); 2].map(|()| Ok(text.to_owned())));
        }
    }

    #[test]
    fn a_length_is_exact_and_counts_characters() {
        assert_eq!(read(&"ä".repeat(20)), [(); 2].map(|()| Ok("ä".repeat(20))));
        assert!(read(&"ä".repeat(21)).iter().all(Result::is_err));
    }

    #[test]
    fn a_time_names_its_offset() {
        let mut errors = FieldErrors::default();
        let mut read = |text: &str| errors.time("at", Some(text.to_owned()));
        assert_eq!(read("2026-11-25T10:00:00+01:00"), read("2026-11-25T09:00:00Z"));
        for refused in ["2026-11-25", "", " ", "é", "9999-12-31T23:59:59-00:01", "2026-11-25T10:00:00 01:00"] {
            assert_eq!(read(refused), None, "{refused}");
        }
        assert_eq!(errors.0["at"], "must be a time such as 2026-01-31T12:00:00Z");
    }
}
