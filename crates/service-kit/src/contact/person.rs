//! Names, addresses and telephone numbers as people type and paste them.

use super::EmailAddress;
use crate::validation::FieldErrors;

/// Digits of a telephone number with its country code (ITU-T E.164), and those dialled before it.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 4..=17;

/// The name that mails begin with: one line, and no link that a stranger could be sent.
pub fn parse_name(errors: &mut FieldErrors, field: &str, name: Option<String>) -> String {
    let name = errors.required_text(field, name, 200);
    if has_url(&name) {
        errors.add(field, "must not contain a URL");
    }
    name
}

/// An e-mail address, or nothing and a field at fault.
pub fn parse_email(errors: &mut FieldErrors, field: &str, text: Option<String>) -> Option<EmailAddress> {
    match text.as_deref().map(str::trim) {
        None => errors.add(field, "is required"),
        Some("") => errors.add(field, "must not be blank"),
        Some(text) => match EmailAddress::parse(text) {
            Ok(address) => return Some(address),
            Err(error) => errors.add(field, error),
        },
    }
    None
}

fn has_url(name: &str) -> bool {
    if !name.contains([':', '.']) {
        return false;
    }
    let name = name.to_lowercase();
    let scheme = ["://", "www.", "http:", "https:", "mailto:"].iter().any(|sign| name.contains(sign));
    // A host with a path behind it, such as `example.com/x`.
    let path = |word: &str| word.split_once('/').is_some_and(|(host, path)| host.contains('.') && !path.is_empty());
    scheme || name.split_whitespace().any(path)
}

/// A telephone number, without what comes along when it is pasted; a blank one is none.
pub fn parse_phone(errors: &mut FieldErrors, field: &str, phone: Option<String>) -> Option<String> {
    let phone = errors.optional_text(field, phone.map(|phone| as_typed(&phone)), 32);
    if phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
        errors.add(field, "must be a telephone number such as +44 20 7946 0000");
    }
    phone
}

/// With plain blanks and hyphens, and without characters that show nothing.
fn as_typed(phone: &str) -> String {
    let typed = |c: char| match c {
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\t' => Some(' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' => Some('-'),
        '\u{ff0b}' => Some('+'),
        c if crate::folding::is_invisible(c) => None,
        c => Some(c),
    };
    phone.chars().filter_map(typed).collect()
}

/// Digits with a plus sign in front and `- ( ) / .` between them, and an extension at the end.
fn is_phone(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let number = match lower.find([';', 'e', 'x']) {
        None => lower.as_str(),
        Some(at) => {
            let (number, extension) = lower.split_at(at);
            let digits =
                [";ext=", "extension", "ext.", "ext", "x."].iter().find_map(|sign| extension.strip_prefix(sign));
            let digits = digits.or_else(|| extension.strip_prefix('x')).map(str::trim);
            if !digits
                .is_some_and(|digits| (1..=7).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
            {
                return false;
            }
            number
        }
    };
    let number = number.trim_end();
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    let rest = number.trim_start_matches('(').strip_prefix('+').unwrap_or(number);
    rest.chars().all(|c| c.is_ascii_digit() || " -()/.".contains(c))
        && rest.starts_with(|c: char| c.is_ascii_digit() || "( ".contains(c))
        && PHONE_DIGITS.contains(&digits.len())
        && digits.iter().any(|digit| *digit != '0')
}

#[cfg(test)]
mod tests {
    use super::{parse_name, parse_phone};
    use crate::validation::FieldErrors;

    fn phone(text: &str) -> Result<Option<String>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let phone = parse_phone(&mut errors, "phone", Some(text.to_owned()));
        errors.into_result(phone)
    }

    #[test]
    fn telephone_numbers_are_taken_as_they_are_pasted() {
        for (pasted, kept) in [
            ("+44 20 7946 0000", "+44 20 7946 0000"),
            ("\u{202a}+44 20 7946 0000\u{202c}", "+44 20 7946 0000"),
            ("+44\u{a0}20 7946 0000", "+44 20 7946 0000"),
            ("+44 20 7946\u{2011}0000", "+44 20 7946-0000"),
            ("\u{2060}+44 20\u{2009}7946\u{200b}0000\u{fe0f}", "+44 20 79460000"),
            ("(+44) 20 7946 0000", "(+44) 20 7946 0000"),
            ("+44 (0)20 7946.0000", "+44 (0)20 7946.0000"),
            ("0151/23456789", "0151/23456789"),
            ("0044 7400 123456", "0044 7400 123456"),
            ("+44 20 7946 0000 ext. 12", "+44 20 7946 0000 ext. 12"),
            ("+44 20 7946 0000 x12", "+44 20 7946 0000 x12"),
            ("+442079460000;ext=12", "+442079460000;ext=12"),
            ("020 7946 0000 EXT 1234", "020 7946 0000 EXT 1234"),
        ] {
            assert_eq!(phone(pasted).unwrap().as_deref(), Some(kept), "{pasted:?}");
        }
        assert_eq!(phone(" \u{a0}\u{200b}").unwrap(), None);
    }

    #[test]
    fn what_nobody_can_be_called_by_is_no_telephone_number() {
        for text in [
            "1",
            "--1",
            "123",
            &"0".repeat(32),
            "000000",
            "call me",
            "+",
            "++44 20 7946 0000",
            "44+20 7946 0000",
            "123456789012345678",
            "+44 20 7946 0000 ext",
            "ext 12",
            "x12",
            "+44 20 7946 0000 x12345678",
            "+44 20;phone=1",
            "+44 20 7946 0000\n",
            "+44 20\n7946 0000",
            "1-800-FLOWERS",
            "-12345",
            ".12345",
            "+44 20 7946 0000 x 1 2",
        ] {
            let mut text = text.to_owned();
            // What stands at the end is trimmed.
            if text.ends_with('\n') {
                text.push('x');
            }
            assert!(phone(&text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_name_is_one_line_without_a_link() {
        let name = |text: &str| {
            let mut errors = FieldErrors::default();
            let name = parse_name(&mut errors, "name", Some(text.to_owned()));
            errors.into_result(name)
        };
        for good in
            ["Ada Lovelace", "Dr.Smith", "J. R. R. Tolkien", "Amazon.com Inc.", "A/B Testing Ltd.", "O'Brien & Söhne"]
        {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in [
            "You won! https://evil.example",
            "HTTP://evil.example",
            "see WWW.evil.example",
            "evil.example/x now",
            "Ada\nLovelace",
            "Ada\r\nLovelace",
            "Ada\u{2028}Lovelace",
            "ftp://x",
            "mailto:eve@example.com",
            &"x".repeat(201),
        ] {
            assert!(name(bad).is_err(), "{bad:?} was taken");
        }
    }
}
