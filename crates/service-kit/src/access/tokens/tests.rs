//! Tokens of every kind, good and bad, against the verifier.

use super::config::AuthConfig;
use super::fault::{Flaw, TokenFault};
use super::keys::KeySet;
use super::revocations::{Kind, Revocation};
use super::signing::SigningKey;
use super::verifier::Verifier;
use crate::access::{Principal, Role, User};
use clap::Parser;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use time::OffsetDateTime;
use uuid::Uuid;

const ISSUER: &str = "https://accounts.example";
const NOW: i64 = 1_800_000_000;
const ADA: &str = "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70";
const SESSION: &str = "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a71";

/// PKCS#8 of `openssl genpkey -algorithm RSA`, in Base64: ring makes no such keys.
const RSA: &str = include_str!("tests/rsa.txt");

#[derive(Parser, Debug)]
struct Flags {
    #[command(flatten)]
    auth: AuthConfig,
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes.as_ref())
}

fn verifier_of(jwks: &[Value], flags: &[&str]) -> Verifier {
    let flags = [&["x", "--auth-issuer", ISSUER], flags].concat();
    let verifier = Verifier::new(&Flags::parse_from(flags).auth, "order-service").unwrap();
    let keys = KeySet::from_jwks(&json!({"keys": jwks}).to_string()).unwrap();
    verifier.0.users.as_ref().unwrap().set(keys, None, NOW);
    verifier
}

fn verifier(key: &SigningKey, flags: &[&str]) -> Verifier {
    verifier_of(&[serde_json::to_value(key.public_jwk()).unwrap()], flags)
}

fn at(verifier: &Verifier, token: &str, now: i64) -> Result<Principal, TokenFault> {
    verifier.principal(token, OffsetDateTime::from_unix_timestamp(now).unwrap())
}

fn user(verifier: &Verifier, token: &str) -> User {
    let principal = at(verifier, token, NOW).unwrap();
    principal.user().unwrap().clone()
}

/// As account-service signs them.
fn claims() -> Value {
    json!({"iss": ISSUER, "sub": ADA, "aud": ["inventory-service", "order-service"], "client_id": "web", "iat": NOW,
           "exp": NOW + 600, "jti": ADA, "sid": SESSION, "auth_time": NOW - 5, "amr": ["pwd"], "roles": ["CUSTOMER"]})
}

fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// A token with any header, signed by any means.
fn forged(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", base64url(signature))
}

/// Signed by the key, with a header of our choice.
fn with_header(key: &SigningKey, header: &Value) -> String {
    use super::provider;
    provider::install();
    let encoding = jsonwebtoken::EncodingKey::from_ec_der(key.pkcs8());
    forged(header, &claims(), |message| {
        let signature = jsonwebtoken::crypto::sign(message, &encoding, jsonwebtoken::Algorithm::ES256).unwrap();
        data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap()
    })
}

#[test]
fn a_token_of_ours_says_who_it_is() {
    let key = SigningKey::generate().unwrap();
    let verifier = verifier(&key, &[]);
    let expected = User {
        id: ADA.parse().unwrap(),
        session: SESSION.parse().ok(),
        roles: BTreeSet::from([Role::Customer]),
        authenticated_at: Some(NOW - 5),
        key: None,
    };
    let token = key.sign("at+jwt", &claims()).unwrap();
    assert_eq!(user(&verifier, &token), expected);
    assert_eq!(user(&verifier, &token), expected, "from the cache");
    assert_eq!(user(&verifier, &key.sign("application/AT+JWT", &claims()).unwrap()), expected);
    let fraction = with(json!({"iat": NOW as f64 + 0.5, "exp": NOW as f64 + 600.5}));
    assert_eq!(user(&verifier, &key.sign("at+jwt", &fraction).unwrap()), expected);
}

#[test]
fn a_token_for_an_api_key_has_its_scopes() {
    let key = SigningKey::generate().unwrap();
    let verifier = verifier(&key, &[]);
    let claims = with(json!({"amr": ["api_key"], "client_id": SESSION, "scope": "orders:read orders:place"}));
    let api_key = user(&verifier, &key.sign("at+jwt", &claims).unwrap()).key.unwrap();
    assert_eq!(api_key.id.to_string(), SESSION);
    assert_eq!(api_key.scopes.iter().collect::<Vec<_>>(), ["orders:place", "orders:read"]);
    let nameless = with(json!({"amr": ["api_key"]}));
    let refused = at(&verifier, &key.sign("at+jwt", &nameless).unwrap(), NOW);
    assert_eq!(refused, Err(Flaw::Claims.into()), "never more than the key's scopes");
    for networks in [json!([]), json!(null), json!("10.0.0.0/8"), json!(["10.0.0.0/8", 7]), json!(["10.0.0.0/40"])] {
        let unreadable = with(json!({"amr": ["api_key"], "client_id": SESSION, "networks": networks}));
        let refused = at(&verifier, &key.sign("at+jwt", &unreadable).unwrap(), NOW);
        assert_eq!(refused, Err(Flaw::Claims.into()), "{networks}");
    }
}

#[test]
fn every_flaw_is_found() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let verifier = verifier(&key, &[]);
    let signed = |claims: &Value| key.sign("at+jwt", claims).unwrap();
    let header = |changes: Value| {
        let mut header = json!({"alg": "ES256", "typ": "at+jwt", "kid": key.kid()});
        for (name, value) in changes.as_object().unwrap() {
            header[name] = value.clone();
        }
        header
    };
    let good = signed(&claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let more = message.replacen('.', &format!(".{}", base64url("{}")), 1);
    let hs256 = |message: &[u8]| {
        let public = serde_json::to_vec(key.public_jwk()).unwrap();
        ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &public), message).as_ref().to_vec()
    };
    let jwk = serde_json::to_value(other.public_jwk()).unwrap();
    let mut shown = header(json!({"jwk": jwk}));
    shown["kid"] = json!(key.kid());
    let long = signed(&with(json!({"padding": "x".repeat(7_000)})));
    let bad = [
        ("garbage", "garbage".to_owned(), Flaw::Unreadable),
        ("nothing", String::new(), Flaw::Unreadable),
        ("too long", long, Flaw::Unreadable),
        ("alg none", forged(&header(json!({"alg": "none"})), &claims(), |_| Vec::new()), Flaw::Unreadable),
        ("HS256 with the public key", forged(&header(json!({"alg": "HS256"})), &claims(), hs256), Flaw::Algorithm),
        ("another algorithm than the key's", with_header(&key, &header(json!({"alg": "RS256"}))), Flaw::Algorithm),
        ("an extension that must be known", with_header(&key, &header(json!({"crit": ["exp"]}))), Flaw::Unreadable),
        ("no kid", with_header(&key, &header(json!({"kid": null}))), Flaw::Key),
        ("another's key under a known kid", with_header(&other, &header(json!({}))), Flaw::Signature),
        ("its own key in the header", with_header(&other, &shown), Flaw::Signature),
        ("no signature", format!("{message}."), Flaw::Signature),
        ("changed", format!("{more}.{signature}"), Flaw::Issuer),
        ("an ID token", key.sign("JWT", &claims()).unwrap(), Flaw::Type),
        ("no typ", with_header(&key, &header(json!({"typ": null}))), Flaw::Type),
        ("a service's assertion", key.sign("svc+jwt", &claims()).unwrap(), Flaw::Type),
        ("another issuer", signed(&with(json!({"iss": "https://accounts.example/"}))), Flaw::Issuer),
        ("no issuer", signed(&without("iss")), Flaw::Issuer),
        ("several issuers", signed(&with(json!({"iss": [ISSUER]}))), Flaw::Issuer),
        ("another audience", signed(&with(json!({"aud": "inventory-service"}))), Flaw::Audience),
        ("another audience by a part", signed(&with(json!({"aud": "order-service2"}))), Flaw::Audience),
        ("no audience", signed(&without("aud")), Flaw::Claims),
        ("an empty audience", signed(&with(json!({"aud": []}))), Flaw::Claims),
        ("no subject", signed(&without("sub")), Flaw::Claims),
        ("an empty subject", signed(&with(json!({"sub": ""}))), Flaw::Claims),
        ("no end", signed(&without("exp")), Flaw::Claims),
        ("an end in words", signed(&with(json!({"exp": "never"}))), Flaw::Claims),
        ("an end beyond all numbers", signed(&with(json!({"exp": 1e300}))), Flaw::Claims),
        ("no beginning", signed(&without("iat")), Flaw::Claims),
        ("expired", signed(&with(json!({"exp": NOW - 31}))), Flaw::Expired),
        ("from the future", signed(&with(json!({"iat": NOW + 31}))), Flaw::Early),
        ("not yet", signed(&with(json!({"nbf": NOW + 31}))), Flaw::Early),
    ];
    for (what, token, flaw) in bad {
        assert_eq!(at(&verifier, &token, NOW), Err(flaw.into()), "{what}");
        assert_eq!(at(&verifier, &token, NOW), Err(flaw.into()), "{what}, once more");
    }
    assert!(at(&verifier, &good, NOW).is_ok());
}

#[test]
fn clocks_may_differ_by_half_a_minute() {
    let key = SigningKey::generate().unwrap();
    let verifier = verifier(&key, &[]);
    for changes in [json!({"exp": NOW - 30}), json!({"iat": NOW + 30}), json!({"nbf": NOW + 30})] {
        assert!(at(&verifier, &key.sign("at+jwt", &with(changes.clone())).unwrap(), NOW).is_ok(), "{changes}");
    }
    let token = key.sign("at+jwt", &claims()).unwrap();
    for (now, outcome) in [(NOW, true), (NOW + 630, true), (NOW + 631, false)] {
        assert_eq!(at(&verifier, &token, now).is_ok(), outcome, "{}", now - NOW);
    }
}

#[test]
fn an_unknown_key_is_asked_for_once() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let verifier = verifier(&key, &[]);
    let issuer = verifier.0.users.as_ref().unwrap();
    let token = other.sign("at+jwt", &claims()).unwrap();
    assert_eq!(at(&verifier, &token, NOW), Err(TokenFault::Unknown), "it may have been made a moment ago");
    assert!(at(&verifier, &key.sign("at+jwt", &claims()).unwrap(), NOW).is_ok(), "others do not wait");
    issuer.fetched(true);
    for _ in 0..100 {
        let random = SigningKey::generate().unwrap().sign("at+jwt", &claims()).unwrap();
        assert_eq!(at(&verifier, &random, NOW), Err(Flaw::Key.into()), "it was asked a moment ago");
    }
}

#[test]
fn after_a_key_was_revoked_its_issuer_is_asked_again_at_once() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let verifier = verifier(&key, &[]);
    let issuer = verifier.0.users.as_ref().unwrap();
    let made_up = SigningKey::generate().unwrap().sign("at+jwt", &claims()).unwrap();
    let _ = at(&verifier, &made_up, NOW);
    issuer.fetched(true);
    let token = other.sign("at+jwt", &claims()).unwrap();
    assert_eq!(at(&verifier, &token, NOW), Err(Flaw::Key.into()), "a stranger had it asked a moment ago");
    let revoked = |kind| Revocation { kind, id: key.kid().to_owned(), issued_until: None, until: i64::MAX };
    verifier.0.take_back(vec![revoked(Kind::Session)]);
    assert_eq!(at(&verifier, &token, NOW), Err(Flaw::Key.into()), "no key");
    verifier.0.take_back(vec![revoked(Kind::Key)]);
    assert_eq!(at(&verifier, &token, NOW), Err(TokenFault::Unknown));
    issuer.fetched(true);
    verifier.0.take_back(vec![revoked(Kind::Key)]);
    assert_eq!(at(&verifier, &token, NOW), Err(Flaw::Key.into()), "it is known by now");
}

#[test]
fn the_issuer_itself_asks_nobody() {
    let key = SigningKey::generate().unwrap();
    let flags = Flags::parse_from(["x", "--auth-issuer", ISSUER]);
    let verifier = Verifier::new(&flags.auth, "order-service").unwrap();
    verifier.take_keys(
        &[key.public_jwk().clone()],
        "http://localhost/token",
        OffsetDateTime::from_unix_timestamp(NOW).unwrap(),
    );
    assert!(at(&verifier, &key.sign("at+jwt", &claims()).unwrap(), NOW).is_ok());
    let stranger = SigningKey::generate().unwrap();
    assert_eq!(at(&verifier, &stranger.sign("at+jwt", &claims()).unwrap(), NOW), Err(Flaw::Key.into()));
}

#[test]
fn keys_are_good_for_a_day_and_unknown_before_the_first() {
    let key = SigningKey::generate().unwrap();
    let token = key.sign("at+jwt", &with(json!({"exp": NOW + 200_000}))).unwrap();
    let verifier = verifier(&key, &[]);
    assert!(at(&verifier, &token, NOW + 86_400).is_ok());
    assert_eq!(at(&verifier, &token, NOW + 86_470), Err(TokenFault::Unknown));
    let flags = Flags::parse_from(["x", "--auth-issuer", ISSUER]);
    let empty = Verifier::new(&flags.auth, "order-service").unwrap();
    assert_eq!(at(&empty, &token, NOW), Err(TokenFault::Unknown));
    assert_eq!(at(&empty, "garbage", NOW), Err(Flaw::Unreadable.into()));
}

#[test]
fn what_is_revoked_is_refused_at_once() {
    let key = SigningKey::generate().unwrap();
    for (kind, id) in [(Kind::Session, SESSION), (Kind::Subject, ADA), (Kind::Key, key.kid())] {
        let verifier = verifier(&key, &[]);
        let token = key.sign("at+jwt", &claims()).unwrap();
        assert!(at(&verifier, &token, NOW).is_ok());
        verifier.0.revocations.add([Revocation { kind, id: id.to_owned(), issued_until: None, until: NOW + 999 }]);
        let another = key.sign("at+jwt", &with(json!({"jti": "another"}))).unwrap();
        for token in [&token, &another] {
            assert_eq!(at(&verifier, token, NOW), Err(Flaw::Revoked.into()), "{kind:?}");
        }
    }
}

#[test]
fn a_token_of_keycloak_is_read_as_the_settings_say() {
    let rsa = RsaKeyPair::from_pkcs8(&data_encoding::BASE64.decode(RSA.replace('\n', "").as_bytes()).unwrap()).unwrap();
    let public: ring::signature::RsaPublicKeyComponents<Vec<u8>> = rsa.public().into();
    let jwk = json!({"kty": "RSA", "kid": "kc", "alg": "RS256", "use": "sig", "n": base64url(&public.n),
                     "e": base64url(&public.e), "x5c": ["MIIC"], "x5t": "t"});
    let sign = |claims: &Value| {
        forged(&json!({"alg": "RS256", "typ": "JWT", "kid": "kc"}), claims, |message| {
            let mut signature = vec![0; rsa.public().modulus_len()];
            rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
            signature
        })
    };
    let token = |typ: &str| {
        sign(&json!({"iss": ISSUER, "sub": ADA, "aud": ["shop", "account"], "typ": typ, "azp": "web", "iat": NOW,
                     "exp": NOW + 300, "sid": SESSION, "realm_access": {"roles": ["shop-admin", "offline_access"]},
                     "scope": "openid email", "email": "ada@example.com"}))
    };
    let flags = [
        "--auth-audience",
        "shop",
        "--auth-token-types",
        "at+jwt,JWT",
        "--auth-roles-claim",
        "realm_access.roles",
        "--auth-role-map",
        "shop-admin=ADMIN,*=CUSTOMER",
    ];
    let verifier = verifier_of(std::slice::from_ref(&jwk), &flags);
    let user = user(&verifier, &token("Bearer"));
    assert_eq!((user.id.to_string().as_str(), user.key), (ADA, None));
    assert_eq!(user.roles, BTreeSet::from([Role::Admin, Role::Customer]));
    assert_eq!(at(&verifier, &token("ID"), NOW), Err(Flaw::Type.into()), "an ID token looks the same");
    assert_eq!(at(&verifier_of(&[jwk], &[]), &token("Bearer"), NOW), Err(Flaw::Type.into()));
}

#[test]
fn a_token_of_cognito_is_read_as_the_settings_say() {
    let key = SigningKey::generate().unwrap();
    let flags = [
        "--auth-audience",
        "7lpqd",
        "--auth-audience-claim",
        "client_id",
        "--auth-token-types",
        "JWT",
        "--auth-roles-claim",
        "cognito:groups",
    ];
    let verifier = verifier(&key, &flags);
    let header = json!({"alg": "ES256", "kid": key.kid()});
    let encoding = jsonwebtoken::EncodingKey::from_ec_der(key.pkcs8());
    let token = |token_use: &str, client: &str| {
        let claims = json!({"iss": ISSUER, "sub": "auth0|ada", "client_id": client, "token_use": token_use, "iat": NOW,
                            "exp": NOW + 3600, "cognito:groups": ["SELLER"], "username": "ada"});
        forged(&header, &claims, |message| {
            let signature = jsonwebtoken::crypto::sign(message, &encoding, jsonwebtoken::Algorithm::ES256).unwrap();
            data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap()
        })
    };
    let user = user(&verifier, &token("access", "7lpqd"));
    assert_eq!(user.roles, BTreeSet::from([Role::Seller]));
    assert_eq!(user.id, Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{ISSUER}\nauth0|ada").as_bytes()));
    assert_eq!(at(&verifier, &token("id", "7lpqd"), NOW), Err(Flaw::Type.into()));
    assert_eq!(at(&verifier, &token("access", "other"), NOW), Err(Flaw::Audience.into()));
}

#[test]
fn a_token_signed_by_eddsa_is_verified() {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": base64url(pair.public_key())});
    let sign = |key: &Ed25519KeyPair| {
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "ed"});
        forged(&header, &claims(), |message| key.sign(message).as_ref().to_vec())
    };
    let verifier = verifier_of(std::slice::from_ref(&jwk), &[]);
    assert!(at(&verifier, &sign(&pair), NOW).is_ok());
    let other = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let other = Ed25519KeyPair::from_pkcs8(other.as_ref()).unwrap();
    assert_eq!(at(&verifier, &sign(&other), NOW), Err(Flaw::Signature.into()));
    let strict = verifier_of(&[jwk], &["--auth-algorithms", "ES256"]);
    assert_eq!(at(&strict, &sign(&pair), NOW), Err(Flaw::Algorithm.into()), "it is not allowed here");
}

#[test]
fn a_service_speaks_for_itself_and_to_one_service() {
    let (users, service) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let verifier = verifier(&users, &["--trusted-services", "order-service=http://x,account-service=http://x"]);
    let keys = json!({"keys": [service.public_jwk()]}).to_string();
    verifier.0.services[1].set(KeySet::from_jwks(&keys).unwrap(), None, NOW);
    let claims = json!({"iss": "account-service", "sub": "account-service", "aud": "order-service", "iat": NOW,
                        "exp": NOW + 60, "jti": ADA});
    let changed = |name: &str, value: &str| {
        let mut claims = claims.clone();
        claims[name] = json!(value);
        claims
    };
    let token = service.sign("svc+jwt", &claims).unwrap();
    assert_eq!(at(&verifier, &token, NOW), Ok(Principal::Service("account-service".into())));
    let refused = |typ: &str, key: &SigningKey, claims: &Value| at(&verifier, &key.sign(typ, claims).unwrap(), NOW);
    assert_eq!(refused("at+jwt", &service, &claims), Err(Flaw::Type.into()));
    assert_eq!(refused("svc+jwt", &service, &changed("aud", "inventory-service")), Err(Flaw::Audience.into()));
    assert_eq!(refused("svc+jwt", &service, &changed("sub", ADA)), Err(Flaw::Claims.into()));
    assert_eq!(refused("svc+jwt", &service, &changed("iss", "order-service")), Err(TokenFault::Unknown));
    assert_eq!(refused("at+jwt", &service, &with(json!({}))), Err(TokenFault::Unknown), "not among the users' keys");
    assert_eq!(at(&verifier, &token, NOW + 91), Err(Flaw::Expired.into()));
}
