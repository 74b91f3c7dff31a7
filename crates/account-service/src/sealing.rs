//! Secrets that have to be read again are kept sealed: without the key, their rows say nothing.

use clap::Args;
use data_encoding::BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use service_kit::config::{ConfigError, secret};
use service_kit::fault::Fault;
use service_kit::problem::Problem;
use std::sync::Arc;

/// Bytes of a key, and of a random secret.
const KEY: usize = 32;

/// The key under which the service keeps its secrets.
#[derive(Args, Clone, Debug)]
#[group(id = "sealing")]
pub struct Config {
    /// Key that seals the signing keys and the codes in the database: 32 random bytes in Base64, such as
    /// `openssl rand -base64 32` prints
    #[arg(long, env = "ACCOUNT_MASTER_KEY", hide_env_values = true, value_parser = secret, help_heading = "Accounts")]
    pub account_master_key: Option<SecretString>,
}

/// A thing that cannot be sealed, or opened: the key is another, or the row was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a sealed value cannot be read or written: is ACCOUNT_MASTER_KEY the one it was sealed with?")]
pub struct Unsealable;

impl From<Unsealable> for Fault {
    fn from(unsealable: Unsealable) -> Self {
        Problem::unexpected(unsealable).into()
    }
}

/// Random bytes of the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], Unsealable> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Unsealable)?;
    Ok(bytes)
}

/// The SHA-256 of a secret. Enough for one of at least 112 random bits, which nobody can try out.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// Seals and opens with AES-256-GCM; clones share the key. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Seal {
    key: Arc<LessSafeKey>,
    marks: hmac::Key,
}

impl Seal {
    /// The seal of the service. Refuses to go on without a key.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let refused = |reason: &str| ConfigError { variable: "ACCOUNT_MASTER_KEY", reason: reason.to_owned() };
        let text = config.account_master_key.as_ref();
        let text = text.ok_or_else(|| refused("must be set: 32 random bytes in Base64 (openssl rand -base64 32)"))?;
        let bytes = BASE64.decode(text.expose_secret().trim().as_bytes()).ok().filter(|bytes| bytes.len() == KEY);
        let bytes = bytes.ok_or_else(|| refused("must be 32 bytes in Base64 (openssl rand -base64 32)"))?;
        Self::derived(&bytes).map_err(|_| refused("cannot be used"))
    }

    /// The seal that only the holder of `secret` can open.
    pub fn of(secret: &str) -> Result<Self, Unsealable> {
        Self::derived(secret.as_bytes())
    }

    fn derived(secret: &[u8]) -> Result<Self, Unsealable> {
        let root = Salt::new(HKDF_SHA256, b"account-service").extract(secret);
        let mut bytes = [0; KEY];
        let sealing = root.expand(&[b"sealing"], HKDF_SHA256).map_err(|_| Unsealable)?;
        sealing.fill(&mut bytes).map_err(|_| Unsealable)?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| Unsealable)?);
        let marks = root.expand(&[b"marks"], HKDF_SHA256).map_err(|_| Unsealable)?;
        marks.fill(&mut bytes).map_err(|_| Unsealable)?;
        Ok(Self { key: Arc::new(key), marks: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
    }

    /// Seals a secret for one place, such as `codes 7`: in another place it cannot be opened.
    pub fn close(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = secret.to_vec();
        let (aad, unique) = (Aad::from(place.as_bytes()), Nonce::assume_unique_for_key(nonce));
        self.key.seal_in_place_append_tag(unique, aad, &mut sealed).map_err(|_| Unsealable)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what [`Self::close`] sealed for the place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut opened = rest.to_vec();
        let length = self.key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut opened);
        let length = length.map_err(|_| Unsealable)?.len();
        opened.truncate(length);
        Ok(opened)
    }

    /// The mark of a text that is too short for a plain hash: without the key nobody can try texts out against it.
    pub fn mark(&self, place: &str, text: &str) -> Vec<u8> {
        hmac::sign(&self.marks, format!("{place} {text}").as_bytes()).as_ref().to_vec()
    }

    /// Whether a mark is that of the text, in constant time.
    pub fn is_mark(&self, place: &str, text: &str, mark: &[u8]) -> bool {
        hmac::verify(&self.marks, format!("{place} {text}").as_bytes(), mark).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Seal, Unsealable};
    use secrecy::SecretString;

    const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

    fn seal(key: &str) -> Result<Seal, String> {
        let config = Config { account_master_key: Some(SecretString::from(key)) };
        Seal::new(&config).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let seal = seal(KEY).unwrap();
        let sealed = seal.close("codes 1", b"hush").unwrap();
        assert_eq!(seal.open("codes 1", &sealed).unwrap(), b"hush");
        assert!(!sealed.windows(4).any(|part| part == b"hush"));
        assert_ne!(seal.close("codes 1", b"hush").unwrap(), sealed, "never the same twice");
        assert_eq!(seal.open("codes 2", &sealed), Err(Unsealable));
        assert_eq!(seal.open("codes 1", &sealed[..5]), Err(Unsealable));
        let mut changed = sealed.clone();
        changed[14] ^= 1;
        assert_eq!(seal.open("codes 1", &changed), Err(Unsealable));
    }

    #[test]
    fn another_key_opens_nothing() {
        let (one, other) = (Seal::of("one").unwrap(), Seal::of("other").unwrap());
        let sealed = one.close("x", b"hush").unwrap();
        assert_eq!(other.open("x", &sealed), Err(Unsealable));
        assert!(one.is_mark("x", "code", &one.mark("x", "code")));
        assert!(!one.is_mark("x", "cod", &one.mark("x", "code")) && !one.is_mark("y", "code", &one.mark("x", "code")));
        assert!(!other.is_mark("x", "code", &one.mark("x", "code")));
    }

    #[test]
    fn a_key_that_is_none_is_named_but_not_shown() {
        for bad in ["hush", "aHVzaA==", ""] {
            let error = seal(bad).unwrap_err();
            assert!(error.starts_with("ACCOUNT_MASTER_KEY: must be 32 bytes"), "{error}");
        }
        assert!(Seal::new(&Config { account_master_key: None }).unwrap_err().to_string().contains("must be set"));
        assert!(!format!("{:?}", seal(KEY).unwrap()).contains("65, 65"));
    }
}
