//! The public keys of one issuer, each good for one algorithm.

use super::provider;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;

/// A public key and the one algorithm that it verifies.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub algorithm: Algorithm,
    pub decoding: DecodingKey,
}

/// Public keys by `kid`.
#[derive(Clone, Debug, Default)]
pub(super) struct KeySet(HashMap<String, Key>);

/// A JWKS. What an entry cannot be is seen entry by entry: a kind of key that is not known here harms no other.
#[derive(Serialize, Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

impl KeySet {
    /// The usable keys of a JWKS. The first of two with the same `kid` counts, one without `kid` never.
    pub fn from_jwks(json: &str) -> Result<Self, serde_json::Error> {
        let Jwks { keys } = serde_json::from_str(json)?;
        let mut set = Self::default();
        for jwk in keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok()) {
            set.add(&jwk);
        }
        Ok(set)
    }

    /// The keys of a file: any number of `BEGIN PUBLIC KEY`, each on P-256. Named by their thumbprints, as whoever signs
    /// names them.
    pub fn from_pem(pem: &str) -> Result<Self, jsonwebtoken::errors::Error> {
        const END: &str = "-----END PUBLIC KEY-----";
        provider::install();
        let mut set = Self::default();
        for block in pem.split_inclusive(END).filter(|block| block.contains(END)) {
            let key = DecodingKey::from_ec_pem(block.as_bytes())?;
            let mut jwk = p256_jwk(key.try_get_as_bytes()?)?;
            jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
            set.add(&jwk);
        }
        Ok(set)
    }

    fn add(&mut self, jwk: &Jwk) {
        let for_signatures = jwk.common.public_key_use.as_ref().is_none_or(|key| *key == PublicKeyUse::Signature);
        let (Some(kid), Some(algorithm), true) = (&jwk.common.key_id, algorithm(jwk), for_signatures) else { return };
        let Ok(decoding) = DecodingKey::from_jwk(jwk) else { return };
        self.0.entry(kid.clone()).or_insert(Key { algorithm, decoding });
    }

    /// The key of exactly that name.
    pub fn get(&self, kid: &str) -> Option<&Key> {
        self.0.get(kid)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What the key verifies: by its kind, and by what it says itself.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    jwk.common.key_algorithm.is_none_or(|said| said == name).then_some(algorithm)
}

fn p256_jwk(point: &[u8]) -> Result<Jwk, jsonwebtoken::errors::Error> {
    let refused = jsonwebtoken::errors::ErrorKind::InvalidEcdsaKey;
    match point.split_first() {
        Some((4, point)) if point.len() == 64 => {
            let (x, y) = point.split_at(32);
            let key = EllipticCurveKeyParameters {
                curve: EllipticCurve::P256,
                x: base64url(x),
                y: base64url(y),
                ..EllipticCurveKeyParameters::default()
            };
            Ok(Jwk { common: Default::default(), algorithm: AlgorithmParameters::EllipticCurve(key) })
        }
        _ => Err(refused.into()),
    }
}

fn base64url(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::KeySet;
    use crate::access::tokens::SigningKey;
    use jsonwebtoken::Algorithm;
    use serde_json::json;

    #[test]
    fn only_named_keys_for_signatures_are_taken() {
        let key = SigningKey::generate().unwrap();
        let jwk = |changes: serde_json::Value| {
            let mut jwk = serde_json::to_value(key.public_jwk()).unwrap();
            for (name, value) in changes.as_object().unwrap() {
                jwk[name] = value.clone();
            }
            jwk
        };
        let keys = [
            jwk(json!({"kid": "good"})),
            jwk(json!({"kid": null})),
            jwk(json!({"kid": "encrypts", "use": "enc"})),
            jwk(json!({"kid": "other-algorithm", "alg": "RS256"})),
            jwk(json!({"kid": "other-curve", "crv": "P-384"})),
            json!({"kid": "secret", "kty": "oct", "k": "aHVzaA"}),
            json!({"kid": "unheard-of", "kty": "PQ"}),
            json!(7),
        ];
        let set = KeySet::from_jwks(&json!({"keys": keys}).to_string()).unwrap();
        assert_eq!(set.0.keys().collect::<Vec<_>>(), ["good"]);
        assert_eq!(set.get("good").unwrap().algorithm, Algorithm::ES256);
        assert!(KeySet::from_jwks("{}").is_err());
    }

    #[test]
    fn a_file_may_hold_the_old_key_and_the_new_one() {
        // `openssl pkey -pubout` of the key in signing.rs, and of another.
        let first = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEi5RIN8YWtC6L98+5WnoM1Udp9QwM\neTsWWCqbcLMCS3CgxHNZYg6iTiBlplgxNer3T4xpxGijGSWxslABwZ2clQ==\n-----END PUBLIC KEY-----";
        let second = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEoz0edFPG9HWhmMm5xTESwdrq3Nf9\n0dNwLQhkK3cC4gbmNiBALAjbeVmN95CH0DFERTnlxePSleTAhuIrj8aw9A==\n-----END PUBLIC KEY-----";
        let set = KeySet::from_pem(&format!("{first}\n{second}\n")).unwrap();
        assert_eq!(set.0.len(), 2);
        assert!(set.get("hJ_C6ICmv5cF_mGRlka1mKt25Yur2wI1Ra52iiDfbkg").is_some());
        assert!(KeySet::from_pem("").unwrap().is_empty());
        assert!(KeySet::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err());
    }
}
