//! The API key with which a program calls services that ask for a token.

use reqwest::header::HeaderValue;
use std::path::Path;

/// How every API key begins.
const BEGINNING: &str = "oms_";

/// A key as it is sent. Its `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct ApiKey(HeaderValue);

/// Why there is no key in a file.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read {path}: {cause}")]
    Unreadable { path: String, cause: std::io::Error },
    #[error("{path} has no API key in it: one line that begins with {BEGINNING}")]
    NoKey { path: String },
}

impl ApiKey {
    /// The key in this file, which has nothing else in it but white space around.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let name = || path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|cause| KeyError::Unreadable { path: name(), cause })?;
        Self::parse(&text).ok_or_else(|| KeyError::NoKey { path: name() })
    }

    fn parse(text: &str) -> Option<Self> {
        let key = text.trim();
        if !key.starts_with(BEGINNING) || !key.chars().all(|letter| letter.is_ascii_graphic()) {
            return None;
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {key}")).ok()?;
        header.set_sensitive(true);
        Some(Self(header))
    }

    /// The value of the header `Authorization`.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::ApiKey;
    use std::path::Path;

    #[test]
    fn a_key_is_taken_without_the_white_space_around_it_and_never_shown() {
        let key = ApiKey::parse(" oms_abc_DEF_01\n").unwrap();
        assert_eq!(key.header(), "Bearer oms_abc_DEF_01");
        assert!(!format!("{key:?}").contains("abc"), "{key:?}");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "\n", "eyJhbGciOi", "oms_a oms_b", "oms_a\noms_b", "oms_\u{e9}"] {
            assert!(ApiKey::parse(text).is_none(), "{text:?}");
        }
        let missing = ApiKey::from_file(Path::new("/nowhere/key")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read /nowhere/key: No such file"), "{missing}");
    }
}
