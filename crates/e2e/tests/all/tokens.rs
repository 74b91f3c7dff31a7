//! The kit's verifier with an issuer, a database and a broker: where keys come from, and how revocations arrive.

use clap::Parser;
use e2e::broker::event;
use e2e::issuer::Issuer;
use e2e::poll;
use e2e::shop::Shop;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service_kit::access::Principal;
use service_kit::access::tokens::{AuthConfig, Flaw, TokenFault, Verifier, new_api_key};
use service_kit::broker::Broker;
use service_kit::config::{BrokerConfig, DatabaseConfig};
use service_kit::db::Database;
use service_kit::schema::Schema;
use service_kit::shutdown::Shutdown;
use service_kit::workers::Workers;
use shared_types::topology::ORDER_ACCOUNT_EVENTS;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Parser, Debug)]
struct Flags {
    #[command(flatten)]
    auth: AuthConfig,
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    broker: BrokerConfig,
}

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One more instance of order-service, as far as tokens are concerned.
struct Instance {
    verifier: Verifier,
    shutdown: Shutdown,
}

impl Instance {
    async fn start(shop: &Shop, issuer: &Issuer, more: &[&str]) -> Self {
        let flags = ["x", "--auth-issuer", issuer.url(), "--database-url", shop.database.url(), "--amqp-url"];
        let flags = Flags::parse_from([&flags[..], &[shop.broker().url()], more].concat());
        let verifier = Verifier::new(&flags.auth, "order-service").unwrap();
        let (database, shutdown) = (Database::connect_lazy(&flags.database).unwrap(), Shutdown::default());
        let (broker, schema) = (Broker::new(&flags.broker).unwrap(), Schema("orders"));
        let workers = Workers::new(database.clone(), broker, schema, shutdown.clone());
        verifier.start(&workers, &database, schema, ORDER_ACCOUNT_EVENTS).await.unwrap();
        Self { verifier, shutdown }
    }

    async fn knows(&self, token: &str) -> Result<Principal, TokenFault> {
        self.verifier.identify(token, OffsetDateTime::now_utc(), || CLIENT).await
    }

    async fn ends(self) {
        self.shutdown.finish(Duration::from_secs(10)).await;
    }

    async fn refuses_within_two_seconds(&self, token: &str) {
        let refused = async || poll::equal(self.knows(token).await.err(), Some(Flaw::Revoked.into()));
        poll::within(Duration::from_secs(2), "the token to be refused", refused).await;
    }
}

#[tokio::test]
async fn wrong_tokens_of_an_issuer_are_refused_and_its_right_ones_are_not() {
    let (shop, issuer) = (Shop::open().await, Issuer::start().await);
    let instance = Instance::start(&shop, &issuer, &[]).await;
    for (what, token) in issuer.wrong_tokens() {
        let outcome = instance.knows(&token).await;
        assert!(matches!(outcome, Err(TokenFault::Invalid(_))), "{what}: {outcome:?}");
    }
    assert!(instance.knows(&issuer.token(json!({}))).await.is_ok());
    let keycloak =
        ["--auth-token-types", "JWT", "--auth-roles-claim", "realm_access.roles", "--auth-audience", "account"];
    let keycloak = Instance::start(&shop, &issuer, &keycloak).await;
    assert!(keycloak.knows(&issuer.token_of_keycloak(&["ADMIN"])).await.is_ok());
    let cognito = ["--auth-token-types", "JWT", "--auth-audience-claim", "client_id", "--auth-audience", "shop"];
    let cognito = Instance::start(&shop, &issuer, &cognito).await;
    assert!(cognito.knows(&issuer.token_of_cognito("shop", &[])).await.is_ok());
    assert_eq!(cognito.knows(&issuer.token_of_cognito("other", &[])).await, Err(Flaw::Audience.into()));
    for instance in [instance, keycloak, cognito] {
        instance.ends().await;
    }
}

#[tokio::test]
async fn keys_outlive_a_restart_while_the_issuer_is_away() {
    let (shop, issuer) = (Shop::open().await, Issuer::start().await);
    let first = Instance::start(&shop, &issuer, &[]).await;
    assert!(first.knows(&issuer.token(json!({}))).await.is_ok());
    let kept = async || poll::equal(shop.database.number("SELECT count(*) FROM orders.issuer_keys").await, 1);
    poll::eventually("the keys are written down", kept).await;
    issuer.goes_away();
    first.ends().await;
    let second = Instance::start(&shop, &issuer, &[]).await;
    assert!(second.knows(&issuer.token(json!({}))).await.is_ok());
    second.ends().await;
    shop.database.execute("DELETE FROM orders.issuer_keys").await;
    let third = Instance::start(&shop, &issuer, &[]).await;
    assert_eq!(third.knows(&issuer.token(json!({}))).await, Err(TokenFault::Unknown), "503, not 401");
    issuer.comes_back();
    poll::eventually("the keys are fetched", async || {
        third.knows(&issuer.token(json!({}))).await.map(|_| ()).map_err(|fault| fault.to_string())
    })
    .await;
    third.ends().await;
}

#[tokio::test]
async fn a_key_changed_by_surprise_costs_one_fetch_and_no_request() {
    let (shop, issuer) = (Shop::open().await, Issuer::start().await);
    let instance = Instance::start(&shop, &issuer, &[]).await;
    let before = issuer.fetches();
    issuer.rotates(false);
    let knows = |token: String| {
        let verifier = instance.verifier.clone();
        tokio::spawn(async move { verifier.identify(&token, OffsetDateTime::now_utc(), || CLIENT).await })
    };
    let good: Vec<_> = (0..50).map(|_| knows(issuer.token(json!({})))).collect();
    for outcome in good {
        assert!(outcome.await.unwrap().is_ok());
    }
    assert_eq!(issuer.fetches(), before + 1);
    let stranger = Issuer::start().await;
    for _ in 0..500 {
        stranger.rotates(false);
        let refused = instance.knows(&stranger.token(json!({"iss": issuer.url()}))).await;
        assert_eq!(refused, Err(Flaw::Key.into()));
    }
    assert_eq!(issuer.fetches(), before + 1, "however many come");
    instance.ends().await;
}

#[tokio::test]
async fn who_speaks_for_another_issuer_is_not_believed() {
    let (shop, issuer) = (Shop::open().await, Issuer::start().await);
    issuer.claims_to_be(&format!("{}/", issuer.url()));
    let instance = Instance::start(&shop, &issuer, &[]).await;
    assert_eq!(instance.knows(&issuer.token(json!({}))).await, Err(TokenFault::Unknown));
    instance.ends().await;
}

#[tokio::test]
async fn every_instance_hears_of_what_is_revoked_and_remembers_it() {
    let (shop, issuer) = (Shop::open().await, Issuer::start().await);
    let one = Instance::start(&shop, &issuer, &[]).await;
    let other = Instance::start(&shop, &issuer, &[]).await;
    let announce = async |kind: &str, subject: &str, data: Value| {
        shop.broker().publish(kind, &event(kind, subject, data).to_string()).await;
    };
    let (session, user, disabled) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let of_session = issuer.token(json!({"sid": session}));
    let of_user = issuer.token(json!({"sub": user}));
    let of_disabled = issuer.token(json!({"sub": disabled}));
    let of_nobody = issuer.token(json!({}));
    for token in [&of_session, &of_user, &of_disabled, &of_nobody] {
        assert!(one.knows(token).await.is_ok() && other.knows(token).await.is_ok());
    }
    announce("session.revoked", &session.to_string(), json!({"sessionId": session, "userId": user})).await;
    announce("user.roles_changed", &user.to_string(), json!({"userId": user, "roles": []})).await;
    announce("user.disabled", &disabled.to_string(), json!({"userId": disabled})).await;
    for token in [&of_session, &of_user, &of_disabled] {
        one.refuses_within_two_seconds(token).await;
        other.refuses_within_two_seconds(token).await;
    }
    let later = OffsetDateTime::now_utc().unix_timestamp() + 2;
    let with_new_roles = issuer.token(json!({"sub": user, "iat": later}));
    for token in [&of_nobody, &with_new_roles] {
        assert!(one.knows(token).await.is_ok() && other.knows(token).await.is_ok());
    }
    other.ends().await;
    let restarted = Instance::start(&shop, &issuer, &[]).await;
    assert_eq!(restarted.knows(&of_session).await, Err(Flaw::Revoked.into()));
    assert!(restarted.knows(&of_nobody).await.is_ok());
    announce("signing_key.revoked", &issuer.kid(), json!({"kid": issuer.kid()})).await;
    one.refuses_within_two_seconds(&of_nobody).await;
    restarted.refuses_within_two_seconds(&of_nobody).await;
    one.ends().await;
    restarted.ends().await;
}

#[tokio::test]
async fn an_api_key_is_exchanged_once_and_goes_on_without_the_issuer() {
    let (shop, issuer) = (Shop::open().await, Issuer::start().await);
    let instance = Instance::start(&shop, &issuer, &[]).await;
    let key = |id: Uuid| new_api_key(id).unwrap().expose_secret().to_owned();
    let (id, late_id) = (Uuid::now_v7(), Uuid::now_v7());
    let (known, late, unknown) = (key(id), key(late_id), key(Uuid::now_v7()));
    let changes = |id: Uuid| json!({"amr": ["api_key"], "client_id": id, "scope": "orders:read"});
    issuer.knows_api_key(&known, issuer.token(changes(id)));
    issuer.knows_api_key(&late, issuer.token(changes(late_id)));
    for _ in 0..20 {
        let principal = instance.knows(&known).await.unwrap();
        assert_eq!(principal.user().unwrap().key.as_ref().unwrap().id, id);
    }
    assert_eq!(issuer.exchanges(), 1);
    for _ in 0..20 {
        assert_eq!(instance.knows(&unknown).await, Err(Flaw::ApiKey.into()));
        assert_eq!(instance.knows(&format!("{known}x")).await, Err(Flaw::ApiKey.into()), "mistyped");
    }
    assert_eq!(issuer.exchanges(), 2, "a refusal is remembered, and a mistyped key not asked for");
    issuer.goes_away();
    assert!(instance.knows(&known).await.is_ok());
    assert_eq!(instance.knows(&late).await, Err(TokenFault::Unknown), "503");
    issuer.comes_back();
    assert!(instance.knows(&late).await.is_ok());
    instance.ends().await;
}
