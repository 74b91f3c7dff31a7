//! What `plans` does with accounts: every call of account-service, and its commands.

use super::MANY;
use e2e::people::{PASSWORD, Person};
use e2e::samples::text;
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use time::{Duration, OffsetDateTime};

const ME: &str = "/api/accounts/me";
const OTHER_PASSWORD: &str = "violin-plum-tractor-7";

/// Fills every table that grows with people. Keys that sign are few.
pub async fn fill(shop: &Shop) {
    let tables = [
        "users (id, email, email_key, password_hash)
         SELECT md5('u' || n)::uuid, n || '@many.example', n || '@many.example', ''",
        "sessions (id, user_id, authenticated_at, created_at, last_used_at, idle_until, absolute_until)
         SELECT md5('s' || n)::uuid, md5('u' || n)::uuid, now(), now(), now(), now() + INTERVAL '1 day',
                now() + INTERVAL '1 day'",
        "refresh_tokens (hash, session_id, generation) SELECT sha256(n::text::bytea), md5('s' || n)::uuid, 1",
        "codes (id, user_id, purpose, hash, sealed, created_at, expires_at)
         SELECT gen_random_uuid(), md5('u' || n)::uuid, 'RESET', '', '', now(), now() + INTERVAL '1 day'",
        "guesses (account, network, failures, blocked_until, last_at)
         SELECT sha256(n::text::bytea), '192.0.2.1', 1, now(), now()",
        "audit (at, actor, action, user_id) SELECT now(), 'nobody', 'registered', md5('u' || n)::uuid",
        "addresses (id, user_id, name, lines, city, postcode, country)
         SELECT gen_random_uuid(), md5('u' || n)::uuid, 'Bob', '{1 Rue}', 'Paris', '75001', 'FR'",
        "api_keys (id, user_id, name, hash, roles, scopes)
         SELECT gen_random_uuid(), md5('u' || n)::uuid, 'Scanner', n::text::bytea, '{CUSTOMER}', '{orders:read}'",
        "idempotency_keys (route, key, request_hash, status)
         SELECT 'POST /api/api-keys', gen_random_uuid(), '', 201",
        "dead_letters (consumer, event_type, subject, body, reason, attempts, replayed_at)
         SELECT 'nobody', 'x', n::text, n::text::bytea, 'x', 1, now()",
    ];
    let mut connection = shop.database.pool().acquire().await.unwrap();
    for rows in tables {
        let insert = format!("INSERT INTO accounts.{rows} FROM generate_series(1, {MANY}) AS n");
        connection.execute(AssertSqlSafe(insert)).await.unwrap();
    }
    // Its counters would come after those of all connections were set to zero.
    connection.execute("SELECT pg_stat_force_next_flush()").await.unwrap();
}

/// Does all of it. Account-service is one that lets people in at once, and is another one afterwards.
pub async fn use_accounts(shop: &mut Shop) {
    let ada = shop.register("ada@example.com").await;
    have_addresses(&ada).await;
    have_keys(shop, &ada).await;
    have_sessions(shop, &ada).await;
    administer(shop, &ada).await;
    shop.administrator("root@example.com").await;
    shop.terminal(&["rotate-keys", "--now"]);
    let erased = shop.register("eve@example.com").await;
    erased.accounts().delete(ME).await.is(204);

    let service = &mut shop.account_services[0];
    service.kill();
    service.set("REGISTRATION", "verified");
    service.start().await;
    prove_an_address(shop).await;
    forget_what_is_old(shop).await;
}

/// As the service does once an hour.
async fn forget_what_is_old(shop: &Shop) {
    let mut connection = shop.database.pool().acquire().await.unwrap();
    // As for the service; connections that were there before the setting of the database have it not.
    connection.execute("SET enable_seqscan = off; SET log_statement = 'all'").await.unwrap();
    for delete in [
        "DELETE FROM accounts.sessions WHERE absolute_until < $1",
        "DELETE FROM accounts.guesses WHERE last_at < $1 AND network <> ''",
    ] {
        let long_ago = OffsetDateTime::now_utc() - Duration::days(99);
        sqlx::query(delete).bind(long_ago).execute(&mut *connection).await.unwrap();
    }
}

async fn have_sessions(shop: &Shop, ada: &Person) {
    ada.accounts().get(ME).await.is(200);
    ada.accounts().patch(ME, json!({"phone": "+44 20 7946 0000"})).await.is(200);
    let log_in = |password: &str| {
        shop.accounts().post("/api/auth/login", json!({"email": "ada@example.com", "password": password}))
    };
    log_in("wrong").await.is(401);
    for _ in 0..2 {
        log_in(PASSWORD).await.is(200);
    }
    let sessions = ada.accounts().get("/api/auth/sessions").await.is(200).array();
    ada.accounts().delete(&format!("/api/auth/sessions/{}", text(&sessions[0]["id"]))).await.is(204);
    let refresh = json!({"refreshToken": ada.refresh_token});
    // Two tabs at once.
    for _ in 0..2 {
        shop.accounts().post("/api/auth/refresh", refresh.clone()).await.is(200);
    }
    shop.accounts().post("/api/auth/logout", refresh).await.is(204);

    let tokens = log_in(PASSWORD).await.is(200).json();
    let again = shop.accounts().with_token(text(&tokens["accessToken"]));
    let change = json!({"currentPassword": PASSWORD, "newPassword": OTHER_PASSWORD});
    again.put(&format!("{ME}/password"), change).await.is(204);
    again.post("/api/auth/logout-all", json!({})).await.is(204);
    // From too often, the next try has to wait.
    for _ in 0..6 {
        log_in("wrong").await;
    }
    log_in("wrong").await.is(429);
}

async fn have_addresses(ada: &Person) {
    let body = json!({"name": "Ada Lovelace", "lines": ["12 St James's Square"], "city": "London",
                      "postcode": "SW1Y 4JH", "country": "GB"});
    let path = |address: &Value| format!("{ME}/addresses/{}", text(&address["id"]));
    let (mut made, list) = (Vec::new(), format!("{ME}/addresses"));
    for _ in 0..2 {
        made.push(ada.accounts().post(&list, body.clone()).await.is(201).json());
    }
    ada.accounts().get(&list).await.is(200);
    ada.accounts().get(&path(&made[1])).await.is(200);
    let mut other = body.clone();
    other["label"] = json!("Parents");
    ada.accounts().put(&path(&made[1]), other).await.is(200);
    ada.accounts().put(&format!("{}/default", path(&made[1])), json!({"shipping": true})).await.is(200);
    ada.accounts().delete(&path(&made[0])).await.is(204);
}

async fn have_keys(shop: &Shop, ada: &Person) {
    let body = json!({"name": "Scanner", "roles": ["CUSTOMER"], "scopes": ["orders:read"]});
    let made = ada.accounts().post("/api/api-keys", body.clone()).key("covered").await.is(201).json();
    ada.accounts().post("/api/api-keys", body).key("covered").await.is(201);
    let path = format!("/api/api-keys/{}", text(&made["id"]));
    ada.accounts().get("/api/api-keys").await.is(200);
    ada.accounts().get(&path).await.is(200);
    let form = format!("grant_type=client_credentials&client_secret={}", text(&made["secret"]));
    let exchange = shop.accounts().call(Method::POST, "/api/auth/token");
    let token = exchange.body("application/x-www-form-urlencoded", form).await.is(200).json();
    let admin = shop.accounts().with_token(&shop.signer().await.token(json!({"roles": ["ADMIN"]})));
    for token in [text(&token["access_token"]), ada.token.as_str()] {
        let ask = admin.call(Method::POST, "/api/auth/introspect");
        ask.body("application/x-www-form-urlencoded", format!("token={token}")).await.is(200);
    }
    ada.accounts().delete(&path).await.is(204);
}

async fn administer(shop: &Shop, ada: &Person) {
    let (accounts, path) = (shop.accounts(), format!("/api/accounts/{}", ada.id));
    for list in ["", "?status=DISABLED", "?email=ada@example.com"] {
        accounts.get(&format!("/api/accounts{list}")).await.is(200);
    }
    accounts.get(&path).await.is(200);
    accounts.get(&format!("{path}/audit")).await.is(200);
    accounts.put(&format!("{path}/roles"), json!({"roles": ["CUSTOMER", "SELLER"]})).await.is(200);
    for call in ["disable", "enable", "reset"] {
        let answer = accounts.post(&format!("{path}/{call}"), json!({})).await;
        assert!(answer.status < 300, "{call}: {}", answer.text);
    }
    accounts.get("/.well-known/jwks.json").await.is(200);
}

async fn prove_an_address(shop: &Shop) {
    let email = "grace@example.com";
    let body = json!({"email": email, "password": PASSWORD, "name": "Grace Hopper"});
    for _ in 0..2 {
        shop.accounts().post("/api/auth/register", body.clone()).await.is(202);
        // Nobody gets another code within a minute.
        let earlier = "UPDATE accounts.codes SET created_at = created_at - INTERVAL '2 minutes'
                       WHERE user_id = (SELECT id FROM accounts.users WHERE email = 'grace@example.com')";
        shop.database.execute(earlier).await;
    }
    let code = last_code(shop).await;
    shop.accounts().post("/api/auth/verify", json!({"email": email, "code": code})).await.is(204);
    shop.accounts().post("/api/auth/password/forgot", json!({"email": email})).await.is(202);
    let body = json!({"email": email, "code": last_code(shop).await, "password": OTHER_PASSWORD});
    shop.accounts().post("/api/auth/password/reset", body).await.is(204);
}

/// The code that was made last, as order-service takes it.
async fn last_code(shop: &Shop) -> String {
    let made = "SELECT id::text FROM accounts.codes
                WHERE user_id = (SELECT id FROM accounts.users WHERE email = 'grace@example.com') ORDER BY id DESC LIMIT 1";
    let id = shop.database.texts(made).await.remove(0);
    let taken = shop.accounts().call(Method::POST, &format!("/internal/codes/{id}/take")).await.is(200).json();
    text(&taken["code"]).to_owned()
}
