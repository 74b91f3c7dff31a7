//! A stand-in for whoever signs access tokens: account-service, Keycloak or Amazon Cognito. It has a discovery document,
//! keys that change, API keys, and counts who asks.

use crate::mail_server::lock;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use service_kit::access::tokens::SigningKey;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// A running issuer. Ends when dropped.
#[derive(Debug)]
pub struct Issuer {
    shared: Arc<Shared>,
    running: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    url: String,
    /// What the discovery document says.
    name: Mutex<String>,
    /// The last one signs.
    keys: Mutex<Vec<SigningKey>>,
    away: AtomicBool,
    fetches: AtomicUsize,
    exchanges: AtomicUsize,
    /// The tokens that API keys are exchanged for.
    api_keys: Mutex<HashMap<String, String>>,
}

impl Issuer {
    /// With one key.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            name: Mutex::new(url.clone()),
            url,
            keys: Mutex::new(vec![key()]),
            away: AtomicBool::new(false),
            fetches: AtomicUsize::new(0),
            exchanges: AtomicUsize::new(0),
            api_keys: Mutex::default(),
        });
        #[expect(clippy::disallowed_methods, reason = "a stand-in knows no callers")]
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/.well-known/jwks.json", get(jwks))
            .route("/api/auth/token", post(exchange))
            .with_state(Arc::clone(&shared));
        let running = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("a server");
        });
        Self { shared, running }
    }

    /// For `AUTH_ISSUER`.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Answers nothing but 503 from now on.
    pub fn goes_away(&self) {
        self.shared.away.store(true, SeqCst);
    }

    /// Answers again.
    pub fn comes_back(&self) {
        self.shared.away.store(false, SeqCst);
    }

    /// Its discovery document is that of another issuer.
    pub fn claims_to_be(&self, name: &str) {
        name.clone_into(&mut lock(&self.shared.name));
    }

    /// Signs by a new key from now on. The old one stays known where `keep_old`.
    pub fn rotates(&self, keep_old: bool) {
        let mut keys = lock(&self.shared.keys);
        if !keep_old {
            keys.clear();
        }
        keys.push(key());
    }

    /// How often its keys were fetched.
    pub fn fetches(&self) -> usize {
        self.shared.fetches.load(SeqCst)
    }

    /// How often an API key was exchanged, or tried to be.
    pub fn exchanges(&self) -> usize {
        self.shared.exchanges.load(SeqCst)
    }

    /// The name of the key that signs.
    pub fn kid(&self) -> String {
        self.signing_key().kid().to_owned()
    }

    /// Exchanges this API key for that token from now on.
    pub fn knows_api_key(&self, key: &str, token: String) {
        lock(&self.shared.api_keys).insert(key.to_owned(), token);
    }

    /// The claims of a customer's access token, as account-service has them, with some changed. For every service.
    pub fn claims(&self, changes: Value) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = json!({
            "iss": self.url(), "sub": Uuid::now_v7(), "aud": ["order-service", "inventory-service", "account-service"],
            "client_id": "web", "iat": now, "exp": now + 600, "jti": Uuid::now_v7(), "sid": Uuid::now_v7(),
            "auth_time": now, "amr": ["pwd"], "roles": ["CUSTOMER"],
        });
        for (name, value) in changes.as_object().expect("changes are an object") {
            claims[name] = value.clone();
        }
        claims
    }

    /// An access token as account-service signs it, with some claims changed.
    pub fn token(&self, changes: Value) -> String {
        self.sign("at+jwt", &self.claims(changes))
    }

    /// Any claims under any `typ`.
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        self.signing_key().sign(typ, claims).expect("a token")
    }

    /// An access token as Keycloak signs it when nothing is set: `typ` is JWT, roles lie deep, and the audience is `account`.
    pub fn token_of_keycloak(&self, roles: &[&str]) -> String {
        let (now, user) = (OffsetDateTime::now_utc().unix_timestamp(), Uuid::now_v7());
        let claims = json!({
            "iss": self.url(), "sub": user, "aud": "account", "typ": "Bearer", "azp": "web", "acr": "1", "iat": now,
            "exp": now + 300, "jti": Uuid::now_v7(), "sid": Uuid::now_v7(), "realm_access": {"roles": roles},
            "scope": "openid profile email", "email_verified": true, "preferred_username": "ada",
        });
        self.sign("JWT", &claims)
    }

    /// An access token as Amazon Cognito signs it: without an audience, for an app client.
    pub fn token_of_cognito(&self, client: &str, groups: &[&str]) -> String {
        let (now, user) = (OffsetDateTime::now_utc().unix_timestamp(), Uuid::now_v7());
        let claims = json!({
            "iss": self.url(), "sub": user, "client_id": client, "token_use": "access", "cognito:groups": groups,
            "iat": now, "exp": now + 3600, "auth_time": now, "jti": Uuid::now_v7(), "origin_jti": Uuid::now_v7(),
            "scope": "aws.cognito.signin.user.admin", "username": "ada",
        });
        self.sign("JWT", &claims)
    }

    /// Tokens that nobody may accept, each with what is wrong with it.
    pub fn wrong_tokens(&self) -> Vec<(&'static str, String)> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let stranger = key();
        let claims = self.claims(json!({}));
        let header = |alg: &str| json!({"alg": alg, "typ": "at+jwt", "kid": self.kid()});
        let hs256 = |message: &[u8]| {
            let public = serde_json::to_vec(self.signing_key().public_jwk()).expect("a public key");
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
            ("alg none", forged(&header("none"), &claims, |_| Vec::new())),
            ("HS256 with the public key", forged(&header("HS256"), &claims, hs256)),
        ]
    }

    fn signing_key(&self) -> SigningKey {
        lock(&self.shared.keys).last().expect("a key").clone()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn key() -> SigningKey {
    SigningKey::generate().expect("a key")
}

/// A token with any header, signed by any means.
fn forged(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    shared.fetches.fetch_add(1, SeqCst);
    if shared.away.load(SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let (issuer, url) = (lock(&shared.name).clone(), &shared.url);
    let document = json!({
        "issuer": issuer, "jwks_uri": format!("{url}/.well-known/jwks.json"),
        "token_endpoint": format!("{url}/api/auth/token"), "id_token_signing_alg_values_supported": ["ES256"],
    });
    Json(document).into_response()
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Response {
    if shared.away.load(SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let keys: Vec<Value> = lock(&shared.keys).iter().map(|key| json!(key.public_jwk())).collect();
    Json(json!({"keys": keys})).into_response()
}

/// RFC 6749, 4.4.
async fn exchange(State(shared): State<Arc<Shared>>, form: String) -> Response {
    shared.exchanges.fetch_add(1, SeqCst);
    if shared.away.load(SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let secret = form.strip_prefix("grant_type=client_credentials&").and_then(|form| form.split_once("client_secret="));
    let token = secret.and_then(|(_, key)| lock(&shared.api_keys).get(key).cloned());
    match token {
        Some(token) => Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 600})).into_response(),
        None => (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_client"}))).into_response(),
    }
}
