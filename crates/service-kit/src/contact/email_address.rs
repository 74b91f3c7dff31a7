//! E-mail addresses: what counts as one, how they are compared, and how they are handed to a mail server.

use crate::folding::{fold, is_invisible};
use std::fmt;

/// Octets of the part before the `@` (RFC 5321, 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;

/// Octets of an address on its way (RFC 5321, 4.5.3.1.3, less the angle brackets).
const LONGEST: usize = 254;

/// What a local part may have beside letters and digits (`atext` of RFC 5322).
const ATEXT: &str = "!#$%&'*+-/=?^_`{|}~";

/// An address that mail can be sent to: `local@domain`, no quotes, no comments, no IP address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EmailAddress {
    text: String,
    /// Where the `@` stands in `text`.
    at: usize,
    /// The domain in lower-case ASCII, with punycode (RFC 5891) where it has other letters.
    domain: String,
}

/// A text that is no address. It does not say which.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be an e-mail address such as ada@example.com")]
pub struct InvalidEmailAddress;

impl EmailAddress {
    /// Reads an address as people write it; blanks around it do not count.
    ///
    /// The local part may have letters beyond ASCII (RFC 6531), but nothing invisible. The domain has at least two labels.
    pub fn parse(text: &str) -> Result<Self, InvalidEmailAddress> {
        let text = text.trim();
        let (local, domain) = text.split_once('@').ok_or(InvalidEmailAddress)?;
        let dot_atom = local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext));
        if !dot_atom || local.len() > LONGEST_LOCAL || text.chars().count() > LONGEST {
            return Err(InvalidEmailAddress);
        }
        let domain = ascii_domain(domain).ok_or(InvalidEmailAddress)?;
        if local.len() + 1 + domain.len() > LONGEST {
            return Err(InvalidEmailAddress);
        }
        Ok(Self { at: local.len(), text: text.to_owned(), domain })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The domain as mail servers know it: `xn--mnchen-3ya.de`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// What it is compared by: addresses that differ in case, normal form or the spelling of the domain have the same key.
    pub fn key(&self) -> String {
        format!("{}@{}", fold(self.local()), self.domain)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What an address that was kept as text is compared by.
pub fn key_of(address: &str) -> String {
    kept_key(address).unwrap_or_else(|| address.to_ascii_lowercase())
}

/// The key that is kept beside an address, where it is not the address in lower-case ASCII, as it is of nearly all.
///
/// What only an earlier build took for an address is folded as a whole.
pub fn kept_key(address: &str) -> Option<String> {
    if address.is_ascii() {
        return None;
    }
    Some(
        EmailAddress::parse(&address.chars().filter(|c| !is_invisible(*c)).collect::<String>())
            .map_or_else(|_| fold(address), |address| address.key()),
    )
}

fn is_atext(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || ATEXT.contains(c);
    }
    !c.is_control() && !c.is_whitespace() && !is_invisible(c) && c != char::REPLACEMENT_CHARACTER
}

/// The domain as DNS knows it, or nothing where it cannot be one.
fn ascii_domain(domain: &str) -> Option<String> {
    if domain.chars().any(|c| is_invisible(c) || c.is_control() || c.is_whitespace()) {
        return None;
    }
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let (_, last) = ascii.rsplit_once('.')?;
    let is_ip_address = last.chars().all(|c| c.is_ascii_digit());
    (!is_ip_address).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::{EmailAddress, kept_key, key_of};
    use proptest::prelude::{ProptestConfig, proptest};

    fn key(text: &str) -> String {
        EmailAddress::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).key()
    }

    #[test]
    fn addresses_of_every_kind_are_taken() {
        for text in [
            "ada@example.com",
            " ada@example.com ",
            "a@b.co",
            "ada+tag@example.com",
            "ada.lovelace@mail.example.co.uk",
            "o'brien@example.ie",
            "ada/x=y@example.com",
            "ada?subject=x@example.com",
            "1@example.com",
            "_@example.com",
            "ada@1.example.com",
            "ada@xn--mnchen-3ya.de",
            "ada@münchen.de",
            "ada@MÜNCHEN.de",
            "änne@example.com",
            "用户@例子.广告",
            "δοκιμή@παράδειγμα.δοκιμή",
            "a\u{308}nne@example.com",
            &format!("{}@example.com", "a".repeat(64)),
            &format!("ada@{}.com", "a".repeat(63)),
        ] {
            key(text);
        }
    }

    #[test]
    fn what_a_mail_server_would_not_take_is_none() {
        for text in [
            "",
            "ada",
            "@",
            "@example.com",
            "ada@",
            "ada@example",
            "ada..b@example.com",
            ".ada@example.com",
            "ada.@example.com",
            "ada@b@example.com",
            "mailto:ada@example.com",
            "<ada@example.com>",
            "Ada <ada@example.com>",
            "ada@example.com, eve@example.com",
            "ada@example.com;eve@example.com",
            "\"ada\"@example.com",
            "ada(c)@example.com",
            "ada\\@example.com",
            "ada[1]@example.com",
            "ada b@example.com",
            "ada@exa mple.com",
            "ada@example.com/",
            "ada@exa/mple.com",
            "ada@example.com?subject=x",
            "ada@-example.com",
            "ada@example-.com",
            "ada@*.com",
            "ada@example!.com",
            "ada@exam_ple.com",
            "ada@example..com",
            "ada@.example.com",
            "ada@example.com.",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "ada@[IPv6:::1]",
            "ada@example.1",
            "ada@xn--a.de",
            "\u{200b}ada@example.com",
            "ada@example.com\u{200b}",
            "ada@exa\u{200b}mple.com",
            "a\u{202e}da@example.com",
            "a\u{a0}da@example.com",
            "ada\u{0}@example.com",
            "ada\n@example.com",
            "ada@example.com\r\nBcc:eve@example.com",
            "ada\u{ff20}example.com",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("{}@example.com", "ä".repeat(33)),
            &format!("ada@{}.com", "a".repeat(64)),
            &format!(
                "{}@{}.com",
                "a".repeat(64),
                ["b".repeat(60), "c".repeat(60), "d".repeat(60), "e".repeat(20)].join(".")
            ),
        ] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn addresses_that_are_the_same_to_a_reader_have_one_key() {
        assert_eq!(key("Ada+Tag@Example.COM"), "ada+tag@example.com");
        for same in ["ÄNNE@example.com", "änne@EXAMPLE.com", "a\u{308}nne@example.com", "A\u{308}NNE@example.com"] {
            assert_eq!(key(same), "änne@example.com");
        }
        for same in ["ada@münchen.de", "ADA@MÜNCHEN.DE", "ada@mu\u{308}nchen.de", "ada@XN--MNCHEN-3YA.de"] {
            assert_eq!(key(same), "ada@xn--mnchen-3ya.de");
        }
        assert_eq!(key("ada@example。com"), "ada@example.com");
        assert_ne!(key("ada@example.com"), key("a.da@example.com"));
    }

    #[test]
    fn a_key_is_kept_only_where_it_differs() {
        assert_eq!(kept_key("Ada@Example.com"), None);
        assert_eq!(key_of("Ada@Example.com"), "ada@example.com");
        assert_eq!(key_of("ÄNNE@example.com"), "änne@example.com");
        assert_eq!(kept_key("ada@münchen.de").as_deref(), Some("ada@xn--mnchen-3ya.de"));
        assert_eq!(kept_key("ada@example.com\u{200b}").as_deref(), Some("ada@example.com"));
        assert_eq!(kept_key("ä..B@example.com").as_deref(), Some("ä..b@example.com"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn parsing_never_panics_and_a_key_is_its_own_key(text in "[\\PC]{0,8}@[a-zA-Zä-ü.-]{0,12}\\.(com|DE)|\\PC{0,40}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                assert_eq!(address.local().len() + 1, address.as_str().find('@').unwrap() + 1);
                if address.as_str().is_ascii() {
                    assert_eq!(address.key(), address.as_str().to_ascii_lowercase());
                }
                if let Ok(again) = EmailAddress::parse(&address.key()) {
                    assert_eq!(again.key(), address.key());
                }
            }
        }
    }
}
