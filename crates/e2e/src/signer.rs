//! Access tokens as account-service signs them, right ones and wrong ones.

use crate::poll;
use crate::shop::Shop;
use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use service_kit::access::tokens::SigningKey;
use time::OffsetDateTime;
use uuid::Uuid;

/// Signs tokens in the name of an issuer.
#[derive(Clone, Debug)]
pub struct Signer {
    issuer: String,
    key: SigningKey,
}

impl Signer {
    /// In the name of this issuer, with its key.
    pub fn new(issuer: &str, key: SigningKey) -> Self {
        Self { issuer: issuer.to_owned(), key }
    }

    /// The claims of a customer's access token, as account-service has them, with some changed. For every service.
    pub fn claims(&self, changes: Value) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = json!({
            "iss": self.issuer, "sub": Uuid::now_v7(), "aud": ["order-service", "inventory-service", "account-service"],
            "client_id": "web", "iat": now, "exp": now + 600, "jti": Uuid::now_v7(), "sid": Uuid::now_v7(),
            "auth_time": now, "amr": ["pwd"], "roles": ["CUSTOMER"],
        });
        changed(&mut claims, &changes);
        claims
    }

    /// An access token as account-service signs it, with some claims changed.
    pub fn token(&self, changes: Value) -> String {
        self.sign("at+jwt", &self.claims(changes))
    }

    /// Any claims under any `typ`.
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        self.key.sign(typ, claims).expect("a token")
    }

    /// Signed by the key, whatever the header says.
    fn under(&self, header: &Value, claims: &Value) -> String {
        let random = SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, self.key.pkcs8(), &random).expect("a key");
        forged(header, claims, |message| pair.sign(&random, message).expect("a signature").as_ref().to_vec())
    }

    /// Tokens that nobody may accept, each with what is wrong with it.
    pub fn wrong_tokens(&self) -> Vec<(&'static str, String)> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let stranger = SigningKey::generate().expect("a key");
        let claims = self.claims(json!({}));
        let header = |alg: &str| json!({"alg": alg, "typ": "at+jwt", "kid": self.key.kid()});
        let hs256 = |message: &[u8]| {
            let public = serde_json::to_vec(self.key.public_jwk()).expect("a public key");
            ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &public), message).as_ref().to_vec()
        };
        let good = self.sign("at+jwt", &claims);
        let (message, _) = good.rsplit_once('.').expect("three parts");
        vec![
            ("garbage", "garbage".to_owned()),
            ("expired", self.token(json!({"iat": now - 700, "exp": now - 100}))),
            ("for another audience", self.token(json!({"aud": ["somebody-else"]}))),
            ("an ID token", self.sign("JWT", &claims)),
            ("of another issuer", self.token(json!({"iss": "https://accounts.example"}))),
            ("of an unknown key", stranger.sign("at+jwt", &claims).expect("a token")),
            ("without a signature", format!("{message}.")),
            (
                "under a name that no key has",
                self.under(&json!({"alg": "ES256", "typ": "at+jwt", "kid": "x"}), &claims),
            ),
            ("without the name of its key", self.under(&json!({"alg": "ES256", "typ": "at+jwt"}), &claims)),
            ("alg none", forged(&header("none"), &claims, |_| Vec::new())),
            ("HS256 with the public key", forged(&header("HS256"), &claims, hs256)),
        ]
    }
}

impl Shop {
    /// Signs as the shop's account-service, with a key that it publishes and does not use itself.
    pub async fn signer(&self) -> Signer {
        let key = SigningKey::generate().expect("a key");
        let insert = format!(
            "INSERT INTO accounts.signing_keys (kid, alg, public_jwk, published_at, signs_from, signs_until, gone_at)
             SELECT '{}', 'ES256', '{}', at, at, at, now() + INTERVAL '1 day' FROM (SELECT now() - INTERVAL '1 day' AS at) AS since",
            key.kid(),
            json!(key.public_jwk())
        );
        assert_eq!(self.database.execute(&insert).await, 1);
        let signer = Signer::new(self.accounts().base(), key);
        self.takes(&signer.token(json!({}))).await;
        signer
    }

    /// Waits until every service takes this token. One that started before account-service knows no keys for a moment.
    pub async fn takes(&self, token: &str) {
        let all = [&self.account_services, &self.inventory_services, &self.order_services];
        for service in all.into_iter().flatten() {
            let client = service.client().with_token(token);
            let taken = async || poll::equal(client.get("/health/live").await.status, 200);
            poll::eventually(&format!("{} to take the token", service.name()), taken).await;
        }
    }
}

/// Puts the changes into an object.
pub(crate) fn changed(claims: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().expect("changes are an object") {
        claims[name] = value.clone();
    }
}

/// A token with any header, signed by any means.
fn forged(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
}
