//! Which passwords are taken: long enough, and not easily guessed.

use icu_normalizer::ComposingNormalizer;
use secrecy::{ExposeSecret, SecretString};
use service_kit::validation::FieldErrors;
use zxcvbn::{Score, zxcvbn};

/// Characters of the longest password.
pub const LONGEST: usize = 128;

/// A password in the one form in which it is hashed (NFKC), so that it is the same from every keyboard. `Debug` does not
/// show it.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// A password as it was typed, whatever its length: to be compared with one that is kept.
    pub fn typed(text: &str) -> Self {
        Self(ComposingNormalizer::new_nfkc().normalize(text).into_owned().into())
    }

    /// [`Self::typed`] of a field, at most 1000 characters. None where there is none, or it is at fault.
    pub fn optional(errors: &mut FieldErrors, field: &str, text: Option<String>) -> Option<Self> {
        let text = text?;
        if text.chars().nth(1000).is_some() {
            errors.add(field, "must have at most 1000 characters");
            return None;
        }
        Some(Self::typed(&text))
    }

    /// [`Self::optional`] where there has to be one.
    pub fn required(errors: &mut FieldErrors, field: &str, text: Option<String>) -> Option<Self> {
        if text.is_none() {
            errors.add(field, "is required");
        }
        Self::optional(errors, field, text)
    }

    /// The bytes to hash.
    pub fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// A new password of the right length; nothing and a field at fault where it has another. Every character counts, and none
/// is refused.
pub fn parse(errors: &mut FieldErrors, field: &str, text: Option<&str>, shortest: u8) -> Option<Password> {
    let Some(text) = text else {
        errors.add(field, "is required");
        return None;
    };
    if text.chars().count() < usize::from(shortest) {
        errors.add(field, format!("must have at least {shortest} characters; several words make a good one"));
    } else if text.chars().nth(LONGEST).is_some() {
        errors.add(field, format!("must have at most {LONGEST} characters"));
    } else {
        return Some(Password::typed(text));
    }
    None
}

/// Words that somebody who knows the person would try first.
#[derive(Clone, Debug, Default)]
pub struct PersonalWords(Vec<String>);

impl PersonalWords {
    /// Those of an address and a name.
    pub fn of(email: &str, name: Option<&str>) -> Self {
        let mut words = vec![email.to_lowercase()];
        words.extend(email.split(['@', '.', '+', '-', '_']).map(str::to_lowercase));
        words.extend(name.map(str::to_lowercase));
        words.extend(name.into_iter().flat_map(str::split_whitespace).map(str::to_lowercase));
        words.retain(|word| word.chars().count() > 2);
        Self(words)
    }
}

/// Why a password is guessed too easily, in words; nothing where it is not. Takes milliseconds.
pub fn weakness(password: &Password, words: &PersonalWords, shop: &str) -> Option<String> {
    let shop = shop.to_lowercase();
    let shops = std::iter::once(shop.as_str()).chain(shop.split_whitespace());
    let known: Vec<&str> = words.0.iter().map(String::as_str).chain(shops).collect();
    let text = password.0.expose_secret();
    let judged = zxcvbn(text, &known);
    if judged.score() >= Score::Three {
        let personal = is_made_of(text, &known);
        return personal
            .then(|| "is guessed too easily: it is made of your address, your name or the shop's".to_owned());
    }
    let warning = judged.feedback().and_then(|feedback| feedback.warning()).map(|warning| warning.to_string());
    let warning =
        warning.unwrap_or_else(|| "It is made of well-known words, your name or a simple pattern.".to_owned());
    Some(format!("is guessed too easily. {warning} Several uncommon words make a good password"))
}

/// Whether next to nothing is left of a password without these words: the estimate rates three known words in a row as good.
fn is_made_of(password: &str, words: &[&str]) -> bool {
    let mut words: Vec<&str> = words.iter().copied().filter(|word| word.chars().count() > 2).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let rest = words.iter().fold(password.to_lowercase(), |rest, word| rest.replace(word, ""));
    rest != password.to_lowercase() && rest.chars().filter(|c| c.is_alphanumeric()).count() < 4
}

#[cfg(test)]
mod tests {
    use super::{Password, PersonalWords, parse, weakness};
    use service_kit::validation::FieldErrors;

    fn parsed(text: &str) -> Result<Password, String> {
        let mut errors = FieldErrors::default();
        let password = parse(&mut errors, "password", Some(text), 15);
        password.ok_or_else(|| errors.to_string())
    }

    fn judged(text: &str) -> Option<String> {
        let words = PersonalWords::of("ada.lovelace@example.com", Some("Ada King"));
        weakness(&parsed(text).unwrap(), &words, "Order desk")
    }

    #[test]
    fn a_password_has_15_to_128_characters_of_any_kind() {
        for good in ["x".repeat(15), "x".repeat(128), "🙂".repeat(15), "🙂".repeat(128), " \0\t".repeat(5)] {
            parsed(&good).unwrap();
        }
        assert!(parsed(&"x".repeat(14)).unwrap_err().contains("at least 15"));
        assert!(parsed(&"é".repeat(129)).unwrap_err().contains("at most 128"));
    }

    #[test]
    fn one_password_is_the_same_from_every_keyboard() {
        assert_eq!(Password::typed("cafe\u{301}").bytes(), Password::typed("café").bytes());
        assert_eq!(Password::typed("ﬁne").bytes(), Password::typed("fine").bytes());
        assert_ne!(Password::typed("Café").bytes(), Password::typed("café").bytes());
        assert_ne!(Password::typed("café ").bytes(), Password::typed("café").bytes(), "never trimmed");
    }

    #[test]
    fn what_is_guessed_easily_is_refused_with_its_reason() {
        for weak in [
            "passwordpassword",
            "123456789012345",
            "aaaaaaaaaaaaaaaaaaaa",
            "qwertyuiopasdfghjkl",
            "ada.lovelace@example.com",
            "lovelacelovelace",
            "Ada King Ada King",
            "Order desk Order desk",
        ] {
            let reason = judged(weak).unwrap_or_else(|| panic!("{weak} was taken"));
            assert!(reason.starts_with("is guessed too easily"), "{reason}");
            assert!(reason.len() > 60, "{reason}");
        }
        for good in ["correct horse battery staple", "plum-tractor-violin-9", "Zwölf Boxkämpfer jagen Viktor"] {
            assert_eq!(judged(good), None, "{good}");
        }
    }

    #[test]
    fn the_words_of_a_person_make_a_password_weak() {
        let password = parsed("Kowalzewdrikmit").unwrap();
        assert_eq!(weakness(&password, &PersonalWords::default(), "Order desk"), None);
        let words = PersonalWords::of("mary@example.com", Some("Mary Kowalzewdrikmit"));
        assert!(weakness(&password, &words, "Order desk").is_some());
    }

    #[test]
    fn a_password_does_not_show() {
        assert!(!format!("{:?}", Password::typed("hush")).contains("hush"));
    }
}
