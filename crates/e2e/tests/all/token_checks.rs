//! What services ask account-service of a token, and taking one back, in the words of OAuth (RFC 7662, RFC 7009).

use e2e::client::Response;
use e2e::people::{PASSWORD, Person};
use e2e::poll;
use e2e::samples::text;
use e2e::shop::{Plan, Shop};
use reqwest::Method;
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

fn plan() -> Plan {
    Shop::plan().inventory_only().with_accounts().account_variable("LOGINS_PER_MINUTE", "1000")
}

async fn send(person: &Person, call: &str, form: &str) -> Response {
    let call = person.accounts().call(Method::POST, &format!("/api/auth/{call}"));
    call.body(FORM, form.to_owned()).await
}

async fn introspect(admin: &Person, token: &str) -> Value {
    send(admin, "introspect", &format!("token={token}&token_type_hint=access_token")).await.is(200).json()
}

async fn revoke(admin: &Person, token: &str) -> Response {
    send(admin, "revoke", &format!("token={token}")).await
}

async fn log_in(shop: &Shop, email: &str) -> Value {
    shop.accounts().post("/api/auth/login", json!({"email": email, "password": PASSWORD})).await.is(200).json()
}

/// An API key of this person, its text, and a token for it.
async fn key(shop: &Shop, person: &Person) -> (String, String, String) {
    let body = json!({"name": "Scanner", "roles": ["CUSTOMER"], "scopes": ["orders:read"]});
    let key = person.accounts().post("/api/api-keys", body).await.is(201).json();
    let (id, secret) = (text(&key["id"]).to_owned(), text(&key["secret"]).to_owned());
    let form = format!("grant_type=client_credentials&client_secret={secret}");
    let token = shop.accounts().call(Method::POST, "/api/auth/token").body(FORM, form).await.is(200).json();
    (id, secret, text(&token["access_token"]).to_owned())
}

/// What is said of a token that is good for nothing.
fn inactive() -> Value {
    json!({"active": false})
}

#[tokio::test]
async fn a_token_is_good_as_long_as_its_session_and_its_person() {
    let shop = plan().open().await;
    let (admin, ada) = (shop.administrator("root@example.com").await, shop.register("ada@example.com").await);
    let said = introspect(&admin, &ada.token).await;
    assert_eq!(
        (&said["active"], &said["token_type"], &said["client_id"]),
        (&json!(true), &json!("Bearer"), &json!("web"))
    );
    assert_eq!((text(&said["sub"]), &said["roles"]), (ada.id.as_str(), &json!(["CUSTOMER"])));
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 600);
    let sessions = ada.accounts().get("/api/auth/sessions").await.is(200).array();
    assert_eq!(said["sid"], sessions[0]["id"]);
    assert!(!said.to_string().contains('@') && said.get("scope").is_none(), "{said}");

    let (message, signature) = ada.token.rsplit_once('.').unwrap();
    let changed = format!("{message}.{}", "A".repeat(signature.len()));
    for bad in ["garbage", &ada.refresh_token, &changed] {
        assert_eq!(introspect(&admin, bad).await, inactive(), "{bad}");
    }
    for form in ["", "token=", "token=a&token=b", "token_type_hint=access_token"] {
        let refused = send(&admin, "introspect", form).await;
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_request")), "{form}");
    }
    let json = admin.accounts().post("/api/auth/introspect", json!({"token": ada.token})).await;
    json.problem(415, "unsupported-media-type");
    let call = admin.accounts().call(Method::POST, "/api/auth/introspect").header("content-encoding", "gzip");
    call.body(FORM, format!("token={}", ada.token)).await.problem(415, "unsupported-media-type");
    let longer = send(&admin, "introspect", &format!("token={}", "a".repeat(4001))).await;
    assert_eq!(longer.problem(400, "token-too-long")["error"], "invalid_request");

    ada.accounts().post("/api/auth/logout", json!({"refreshToken": ada.refresh_token})).await.is(204);
    assert_eq!(introspect(&admin, &ada.token).await, inactive());
    let next = log_in(&shop, "ada@example.com").await;
    let token = text(&next["accessToken"]);
    assert_eq!(introspect(&admin, token).await["active"], true);
    let roles = json!({"roles": ["CUSTOMER", "SELLER"]});
    admin.accounts().put(&format!("/api/accounts/{}/roles", ada.id), roles).await.is(200);
    assert_eq!(introspect(&admin, token).await, inactive(), "it says what its person was");
    let next = log_in(&shop, "ada@example.com").await;
    let token = text(&next["accessToken"]);
    assert_eq!(introspect(&admin, token).await["active"], true);
    // Whatever this instance was told so far.
    shop.database.execute(format!("UPDATE accounts.users SET status = 'DISABLED' WHERE id = '{}'", ada.id)).await;
    assert_eq!(introspect(&admin, token).await, inactive());
}

#[tokio::test]
async fn a_token_of_an_api_key_is_good_as_long_as_the_key() {
    let shop = plan().open().await;
    let (admin, ada) = (shop.administrator("root@example.com").await, shop.register("ada@example.com").await);
    let (id, secret, token) = key(&shop, &ada).await;
    let said = introspect(&admin, &token).await;
    assert_eq!(
        (&said["active"], text(&said["client_id"]), text(&said["sid"])),
        (&json!(true), id.as_str(), id.as_str())
    );
    assert_eq!((text(&said["scope"]), text(&said["sub"])), ("orders:read", ada.id.as_str()));
    assert_eq!(introspect(&admin, &secret).await, inactive(), "a key is no token");
    for of_key in [&token, &secret] {
        let refused = revoke(&admin, of_key).await.problem(400, "unsupported-token-type");
        assert_eq!(refused["error"], "unsupported_token_type");
    }
    assert_eq!(introspect(&admin, &token).await["active"], true);
    shop.database.execute("UPDATE accounts.api_keys SET expires_at = created_at + INTERVAL '1 microsecond'").await;
    assert_eq!(introspect(&admin, &token).await, inactive());
}

#[tokio::test]
async fn to_ask_about_a_token_writes_nothing() {
    let shop = plan().open().await;
    let (admin, ada) = (shop.administrator("root@example.com").await, shop.register("ada@example.com").await);
    let (_, _, of_key) = key(&shop, &ada).await;
    let lock = "DO $$ BEGIN EXECUTE (
        SELECT 'LOCK TABLE ' || string_agg(format('accounts.%I', tablename), ', ') || ' IN SHARE MODE'
        FROM pg_tables WHERE schemaname = 'accounts'); END $$";
    let lock = shop.database.lock(lock).await;
    for token in [&ada.token, &of_key] {
        assert_eq!(introspect(&admin, token).await["active"], true);
    }
    lock.rollback().await.unwrap();
}

#[tokio::test]
async fn a_token_that_is_taken_back_ends_its_session() {
    let shop = Shop::plan().with_accounts().account_variable("LOGINS_PER_MINUTE", "1000").open().await;
    let (admin, ada) = (shop.administrator("root@example.com").await, shop.register("ada@example.com").await);
    let again = log_in(&shop, "ada@example.com").await;
    let refresh =
        async |token: &Value| shop.accounts().post("/api/auth/refresh", json!({"refreshToken": token})).await.status;
    revoke(&admin, &ada.token).await.is(200);
    assert_eq!(refresh(&json!(ada.refresh_token)).await, 401);
    for client in [shop.orders(), shop.inventory(), shop.accounts()] {
        let call = async || poll::equal(ada.calls(client).get("/health/live").await.status, 401);
        poll::eventually("the token to be refused", call).await;
    }
    // The other session goes on, until one of its refresh tokens is taken back.
    assert_eq!(introspect(&admin, text(&again["accessToken"])).await["active"], true);
    revoke(&admin, text(&again["refreshToken"])).await.is(200);
    assert_eq!(introspect(&admin, text(&again["accessToken"])).await, inactive());
    assert_eq!(refresh(&again["refreshToken"]).await, 401);
    for nothing in [ada.token.as_str(), text(&again["refreshToken"]), "garbage"] {
        revoke(&admin, nothing).await.is(200);
    }
    let refused = send(&admin, "revoke", "token_type_hint=refresh_token").await;
    assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_request")));
    let entries = admin.accounts().get(&format!("/api/accounts/{}/audit", ada.id)).await.is(200).array();
    let taken_back = entries.iter().filter(|it| it["detail"] == "its token was revoked").collect::<Vec<_>>();
    assert_eq!(taken_back.len(), 2, "{entries:?}");
    assert!(taken_back.iter().all(|it| it["actor"] == format!("user:{}", admin.id)), "{entries:?}");
}

#[tokio::test]
async fn a_call_for_forms_says_that_it_needs_a_token() {
    let shop = plan().open().await;
    for call in ["introspect", "revoke"] {
        let path = format!("/api/auth/{call}");
        let json = shop.accounts().post(&path, json!({"token": "x"})).await.problem(415, "unsupported-media-type");
        assert!(text(&json["detail"]).ends_with(FORM), "{json}");
        let form = || shop.accounts().call(Method::POST, &path).body(FORM, "token=x");
        let refused = form().await.problem(403, "protected-mode");
        assert!(text(&refused["detail"]).contains("send a token (Authorization: Bearer)"), "{refused}");
        // Nor does another site hear that it should send JSON.
        let refused = form().header("origin", "http://evil.example").await.problem(403, "protected-mode");
        assert!(text(&refused["detail"]).contains("another site"), "{refused}");
    }
    let form = shop.accounts().call(Method::POST, "/api/auth/token").body(FORM, "grant_type=password");
    form.header("origin", "http://evil.example").await.problem(403, "protected-mode");
    let other = shop.accounts().call(Method::POST, "/api/auth/login").body(FORM, "email=x");
    let other = other.await.problem(415, "unsupported-media-type");
    assert!(text(&other["detail"]).ends_with("application/json"), "{other}");
}
