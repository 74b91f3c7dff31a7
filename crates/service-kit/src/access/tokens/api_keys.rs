//! API keys: their form, and the exchange of one for a token at whoever knows them.
//!
//! A key is `oms_<id>_<32 characters>_<checksum>`: scanners for secrets find it, and a mistyped one is refused without
//! asking anybody.

use super::cache::{self, Fingerprint};
use super::fault::{Flaw, TokenFault};
use super::fetch;
use super::signing::KeyError;
use reqwest::{Client, StatusCode};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use tokio::time::timeout;
use uuid::Uuid;

/// What every key begins with.
pub(super) const PREFIX: &str = "oms_";

const SECRET: usize = 32;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How long before its end a token is exchanged for a new one, in seconds.
const EARLY: i64 = 60;

/// How long a key is not asked for again after a failure, in seconds.
const PAUSE: i64 = 10;

/// … and after a refusal: a key that is good again is taken as soon as one that was taken back is refused.
const REFUSED: i64 = 2;

/// Keys remembered at once.
const MOST: usize = 10_000;

/// Exchanges at once, each of another key.
const EXCHANGES: usize = 32;

/// A new key with this id. Its secret has 190 bits.
pub fn new_api_key(id: Uuid) -> Result<SecretString, KeyError> {
    let (random, mut secret) = (SystemRandom::new(), String::with_capacity(SECRET));
    while secret.len() < SECRET {
        let mut byte = [0];
        random.fill(&mut byte).map_err(|_| KeyError::Random)?;
        // Four times 62: each character is as likely as any other.
        if byte[0] < 248 {
            secret.push(char::from(ALPHABET[usize::from(byte[0] % 62)]));
        }
    }
    let key = format!("{PREFIX}{}_{secret}", id.simple());
    let checksum = crc32(key.as_bytes());
    Ok(SecretString::from(format!("{key}_{checksum:08x}")))
}

/// The id in a key; none where it is not of that form or its checksum is wrong. Says nothing of whether the key is good.
pub fn api_key_id(key: &str) -> Option<Uuid> {
    let (body, checksum) = key.rsplit_once('_')?;
    let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
    let is_secret = secret.len() == SECRET && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let id = Uuid::try_parse(id).ok().filter(|parsed| parsed.simple().to_string() == id)?;
    (is_secret && checksum == format!("{:08x}", crc32(body.as_bytes()))).then_some(id)
}

/// CRC-32 as zip has it: against mistakes, not against attackers.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _: u8| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// What became of a key when it was last exchanged.
#[derive(Clone, Debug)]
enum Held {
    Token { token: SecretString, renew_at: i64, until: i64 },
    Refused { until: i64 },
}

impl Held {
    fn is_good(&self, now: i64) -> bool {
        matches!(self, Self::Token { until, .. } if now < *until)
    }
}

/// The tokens that API keys were exchanged for.
pub(super) struct ApiKeys {
    held: Mutex<HashMap<Fingerprint, Held>>,
    /// One exchange at a time of one key: those who wait for it find its token. Keys that nobody knows keep few others waiting.
    turns: [tokio::sync::Mutex<()>; EXCHANGES],
}

/// Made when the first key comes.
static HTTP: LazyLock<Option<Client>> = LazyLock::new(|| fetch::client().ok());

/// What RFC 6749, 5.1 says of an answer.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: i64,
}

impl ApiKeys {
    pub fn new() -> Self {
        Self { held: Mutex::default(), turns: Default::default() }
    }

    /// The token for a key. Asks `endpoint` only for a key that is new, or whose token ends soon; while it does not answer,
    /// a token is good until its end.
    pub async fn token(&self, key: &str, endpoint: Option<&str>, now: i64) -> Result<SecretString, TokenFault> {
        let id = api_key_id(key).ok_or(Flaw::ApiKey)?;
        let fingerprint = cache::fingerprint(key);
        if let Some(known) = self.known(&fingerprint, now) {
            return known;
        }
        let endpoint = endpoint.ok_or(TokenFault::Unknown)?;
        let turn = &self.turns[usize::from(fingerprint[0]) % EXCHANGES];
        let _turn = match (turn.try_lock(), self.held_now(&fingerprint, now)) {
            (Ok(turn), _) => turn,
            // Somebody is at it: what is held is good for a while.
            (Err(_), Some(Ok(token))) => return Ok(token),
            (Err(_), _) => timeout(fetch::PATIENCE, turn.lock()).await.map_err(|_| TokenFault::Unknown)?,
        };
        if let Some(known) = self.known(&fingerprint, now) {
            return known;
        }
        let held = exchange(endpoint, id, key, now).await.or_else(|| self.put_off(&fingerprint, now));
        let held = held.ok_or(TokenFault::Unknown)?;
        self.put(fingerprint, held, now);
        self.held_now(&fingerprint, now).ok_or(TokenFault::Unknown)?
    }

    /// What is known of a key, unless it is time to ask.
    fn known(&self, key: &Fingerprint, now: i64) -> Option<Result<SecretString, TokenFault>> {
        match self.lock().get(key)? {
            Held::Token { token, renew_at, until } if now < (*renew_at).min(*until) => Some(Ok(token.clone())),
            Held::Refused { until } if now < *until => Some(Err(Flaw::ApiKey.into())),
            Held::Token { .. } | Held::Refused { .. } => None,
        }
    }

    fn held_now(&self, key: &Fingerprint, now: i64) -> Option<Result<SecretString, TokenFault>> {
        match self.lock().get(key)? {
            Held::Token { token, until, .. } if now < *until => Some(Ok(token.clone())),
            Held::Token { .. } => None,
            Held::Refused { .. } => Some(Err(Flaw::ApiKey.into())),
        }
    }

    /// Forgets the token for a key, which is exchanged anew when it comes next.
    pub fn forget(&self, key: &str) {
        self.lock().remove(&cache::fingerprint(key));
    }

    /// Nobody answered: the token that is there goes on, and a moment passes before the next try.
    fn put_off(&self, key: &Fingerprint, now: i64) -> Option<Held> {
        match self.lock().get(key)? {
            Held::Token { token, until, .. } if now < *until => {
                Some(Held::Token { token: token.clone(), renew_at: now + PAUSE, until: *until })
            }
            Held::Token { .. } | Held::Refused { .. } => None,
        }
    }

    fn put(&self, key: Fingerprint, held: Held, now: i64) {
        let mut all = self.lock();
        if all.len() >= MOST {
            all.retain(|_, held| held.is_good(now));
            if all.len() >= MOST {
                all.clear();
            }
        }
        all.insert(key, held);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Fingerprint, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// None where there is no answer. Every character of a key is itself in a form. It is asked for from here, wherever the key
/// comes from: so the token says from where it may be used, and each request with it is held against that.
async fn exchange(endpoint: &str, id: Uuid, key: &str, now: i64) -> Option<Held> {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={key}&checks_networks=true");
    let form = SecretString::from(form);
    let request = HTTP.as_ref()?.post(endpoint).header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(form.expose_secret().to_owned()).send().await.ok()?;
    match response.status() {
        StatusCode::OK => {
            let Answer { access_token, expires_in } = response.json().await.ok()?;
            let until = now.saturating_add(expires_in.clamp(1, 3600));
            Some(Held::Token { token: access_token.into(), renew_at: until - EARLY, until })
        }
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Some(Held::Refused { until: now + REFUSED })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::Flaw;
    use super::{ApiKeys, api_key_id, crc32, new_api_key};
    use secrecy::ExposeSecret;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use uuid::Uuid;

    #[test]
    fn a_key_names_itself_and_a_mistyped_one_does_not() {
        let id = Uuid::from_u128(0x0193_6f5e_7c3a_7b1e_8a4e_3f1d_2c5b_6a70);
        let key = new_api_key(id).unwrap();
        let key = key.expose_secret();
        assert_eq!(api_key_id(key), Some(id));
        assert_eq!(key.len(), 4 + 32 + 1 + 32 + 1 + 8);
        assert_ne!(new_api_key(id).unwrap().expose_secret(), key);
        for at in 0..key.len() {
            let mut typed = key.as_bytes().to_vec();
            typed[at] = if typed[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(api_key_id(std::str::from_utf8(&typed).unwrap()), None, "{at}");
        }
        for bad in ["", "oms_", "oms___", &key[..key.len() - 1], &format!("{key}0")] {
            assert_eq!(api_key_id(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_key_that_was_refused_is_asked_for_again_after_two_seconds() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (endpoint, asked) = (format!("http://{}/", listener.local_addr().unwrap()), Arc::new(AtomicU32::new(0)));
        let counted = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let _ = connection.read(&mut [0; 4096]).await;
                let refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = connection.write_all(refusal).await;
            }
        });
        super::super::provider::install();
        let (keys, key) = (ApiKeys::new(), new_api_key(Uuid::nil()).unwrap());
        for (now, times) in [(100, 1), (100, 1), (101, 1), (102, 2), (103, 2), (104, 3)] {
            let refused = keys.token(key.expose_secret(), Some(&endpoint), now).await;
            assert_eq!(refused.map(|_| ()), Err(Flaw::ApiKey.into()), "{now}");
            assert_eq!(asked.load(Ordering::Relaxed), times, "{now}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_zip() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
