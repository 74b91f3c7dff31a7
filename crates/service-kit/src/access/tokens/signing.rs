//! A private key, and the tokens that are signed with it.

use super::provider;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde::Serialize;

/// Why a key cannot be used, or a token not be signed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system gave no random numbers.
    #[error("no key could be made")]
    Random,
    /// It is no such key, or the claims are no JSON.
    #[error(transparent)]
    Token(#[from] jsonwebtoken::errors::Error),
}

/// A private key on the curve P-256, which signs tokens by ES256. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct SigningKey {
    private: EncodingKey,
    public: Jwk,
    kid: String,
}

impl SigningKey {
    /// A new key.
    pub fn generate() -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        Self::from_pkcs8(pkcs8.map_err(|_| KeyError::Random)?.as_ref())
    }

    /// The key that [`Self::pkcs8`] gave.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Self::new(EncodingKey::from_ec_der(der))
    }

    /// The key in a PEM file (`BEGIN PRIVATE KEY`, PKCS#8, with its public key).
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        Self::new(EncodingKey::from_ec_pem(pem)?)
    }

    fn new(private: EncodingKey) -> Result<Self, KeyError> {
        provider::install();
        let mut public = Jwk::from_encoding_key(&private, Algorithm::ES256)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { private, public, kid })
    }

    /// The private key as PKCS#8 (DER), to be kept sealed.
    pub fn pkcs8(&self) -> &[u8] {
        self.private.as_bytes()
    }

    /// The key's name: its thumbprint (RFC 7638), so that no two keys share one.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as JWKS lists it, with `kid`, `alg` and `use`.
    pub fn public_jwk(&self) -> &Jwk {
        &self.public
    }

    /// A signed token with these claims and this `typ`, such as [`super::ACCESS_TOKEN`].
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.clone());
        Ok(jsonwebtoken::encode(&header, claims, &self.private)?)
    }
}

#[cfg(test)]
mod tests {
    use super::SigningKey;
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use serde_json::{Value, json};

    fn verify(token: &str, key: &SigningKey) -> bool {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        decode::<Value>(token, &DecodingKey::from_jwk(key.public_jwk()).unwrap(), &validation).is_ok()
    }

    #[test]
    fn a_token_is_verified_with_the_public_half_of_its_key_alone() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let token = key.sign("at+jwt", &json!({"sub": "ada"})).unwrap();
        assert!(verify(&token, &key));
        assert!(!verify(&token, &other));
        assert_ne!(key.kid(), other.kid());
    }

    #[test]
    fn a_key_that_was_kept_is_the_same_key() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pkcs8(key.pkcs8()).unwrap();
        assert_eq!(again.kid(), key.kid());
        assert!(verify(&again.sign("at+jwt", &json!({})).unwrap(), &key));
    }

    /// Made by `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgj3wj9xtw0GpH4p2/\nT1ajVKCQ0XfxQqwMX2k3ZRHBUTChRANCAASLlEg3xha0Lov3z7laegzVR2n1DAx5\nOxZYKptwswJLcKDEc1liDqJOIGWmWDE16vdPjGnEaKMZJbGyUAHBnZyV\n-----END PRIVATE KEY-----";

    #[test]
    fn a_key_file_of_openssl_is_read() {
        let key = SigningKey::from_pem(PEM.as_bytes()).unwrap();
        assert!(verify(&key.sign("svc+jwt", &json!({})).unwrap(), &key));
        assert_eq!(key.kid(), "hJ_C6ICmv5cF_mGRlka1mKt25Yur2wI1Ra52iiDfbkg");
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        for bad in ["", "hush", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
            assert!(SigningKey::from_pem(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_public_key_says_what_it_is_for_and_nothing_private() {
        let key = SigningKey::generate().unwrap();
        let jwk = serde_json::to_value(key.public_jwk()).unwrap();
        let mut names: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!([&jwk["kty"], &jwk["crv"], &jwk["alg"], &jwk["use"]], ["EC", "P-256", "ES256", "sig"]);
        assert_eq!(serde_json::from_value::<Jwk>(jwk).unwrap(), *key.public_jwk());
        let kept: String = key.pkcs8().iter().map(|byte| format!("{byte}, ")).collect();
        assert!(!format!("{key:?}").contains(&kept[..40]));
    }
}
