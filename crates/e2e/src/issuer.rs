//! A stand-in for whoever signs access tokens: account-service, Keycloak or Amazon Cognito. It has a discovery document,
//! keys that change, API keys, and counts who asks.

use crate::mail_server::lock;
use crate::signer::{Signer, changed};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
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

    /// An access token as account-service signs it, with some claims changed.
    pub fn token(&self, changes: Value) -> String {
        self.signer().token(changes)
    }

    /// Any claims under any `typ`.
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        self.signer().sign(typ, claims)
    }

    /// What signs its tokens now.
    pub fn signer(&self) -> Signer {
        Signer::new(self.url(), self.signing_key())
    }

    /// Where its keys are.
    pub fn jwks(&self) -> String {
        format!("{}/.well-known/jwks.json", self.url())
    }

    /// What a service shows to another one, where this is the service's key.
    pub fn assertion(&self, service: &str, audience: &str, changes: Value) -> String {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = json!({
            "iss": service, "sub": service, "aud": audience, "iat": now, "exp": now + 60, "jti": Uuid::now_v7(),
        });
        changed(&mut claims, &changes);
        self.sign("svc+jwt", &claims)
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

    /// See [`Signer::wrong_tokens`].
    pub fn wrong_tokens(&self) -> Vec<(&'static str, String)> {
        self.signer().wrong_tokens()
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
    let secret = form.split('&').find_map(|field| field.strip_prefix("client_secret="));
    let token = secret.and_then(|key| lock(&shared.api_keys).get(key).cloned());
    match token {
        Some(token) => Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 600})).into_response(),
        None => (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_client"}))).into_response(),
    }
}
