//! Collects what is wrong with an input, every field at once.

use std::collections::BTreeMap;
use std::fmt::Display;

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

    /// A text that must be there, trimmed, of 1 to `longest` characters. Gives an empty one where it is at fault.
    pub fn required_text(&mut self, field: &str, value: Option<String>, longest: usize) -> String {
        match value.as_deref().map(str::trim) {
            None => self.add(field, "is required"),
            Some("") => self.add(field, "must not be blank"),
            Some(text) => return self.bounded(field, text, longest).unwrap_or_default(),
        }
        String::new()
    }

    /// A text that may be left out; blank counts as left out.
    pub fn optional_text(&mut self, field: &str, value: Option<String>, longest: usize) -> Option<String> {
        match value.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(text) => self.bounded(field, text, longest),
        }
    }

    /// A whole number that must be there and lie within the range. Gives the lower bound where it is at fault.
    pub fn required_number(&mut self, field: &str, value: Option<i64>, range: std::ops::RangeInclusive<i32>) -> i32 {
        match value {
            None => self.add(field, "is required"),
            Some(number) => return self.number(field, number, range),
        }
        *range.start()
    }

    /// A whole number that must lie within the range. Gives the lower bound where it is at fault.
    pub fn number(&mut self, field: &str, value: i64, range: std::ops::RangeInclusive<i32>) -> i32 {
        match i32::try_from(value) {
            Ok(number) if range.contains(&number) => return number,
            _ if value < i64::from(*range.start()) => self.add(field, format!("must be at least {}", range.start())),
            _ => self.add(field, format!("must be at most {}", range.end())),
        }
        *range.start()
    }

    fn bounded(&mut self, field: &str, text: &str, longest: usize) -> Option<String> {
        if text.chars().count() > longest {
            self.add(field, format!("must have at most {longest} characters"));
            None
        } else if text.chars().any(|c| c.is_control() && c != '\n') {
            // PostgreSQL cannot store NUL, and nothing here has a use for the others.
            self.add(field, "must not contain control characters");
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
                "nul: must not contain control characters",
            ]
        );
    }
}
