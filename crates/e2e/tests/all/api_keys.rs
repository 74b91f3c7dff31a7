//! API keys: shown once, for no more than their owner may, and ended at once.

use data_encoding::BASE64URL_NOPAD;
use e2e::client::{Call, Client, Response};
use e2e::people::Person;
use e2e::poll;
use e2e::samples::text;
use e2e::shop::{Plan, Shop};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service_kit::access::tokens::new_api_key;
use std::future::IntoFuture;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

const KEYS: &str = "/api/api-keys";

fn plan() -> Plan {
    Shop::plan().inventory_only().with_accounts()
}

fn body(scopes: &[&str]) -> Value {
    json!({"name": "Warehouse scanner", "roles": ["CUSTOMER"], "scopes": scopes})
}

async fn make(person: &Person, scopes: &[&str]) -> Value {
    person.accounts().post(KEYS, body(scopes)).await.is(201).json()
}

fn exchange(client: &Client, fields: &[(&str, &str)]) -> Call {
    let form: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    client.call("POST".parse().unwrap(), "/api/auth/token").body("application/x-www-form-urlencoded", form.join("&"))
}

fn exchange_key(client: &Client, key: &str) -> Call {
    exchange(client, &[("grant_type", "client_credentials"), ("client_secret", key)])
}

/// The scope that a token says.
fn scope_of(token: &str) -> String {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    text(&serde_json::from_slice::<Value>(&claims).unwrap()["scope"]).to_owned()
}

#[track_caller]
fn refused(answer: &Response, status: u16, error: &str) {
    assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{}", answer.text);
}

#[tokio::test]
async fn a_key_is_shown_once_and_only_its_hash_is_kept() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let made = ada.accounts().post(KEYS, body(&["orders:read", "orders:place"])).key("one").await.is(201);
    let (location, key) = (made.header("location").to_owned(), made.json());
    let secret = text(&key["secret"]);
    let id = text(&key["id"]).replace('-', "");
    assert!(secret.starts_with(&format!("oms_{id}_")), "{secret}");
    assert_eq!(location, format!("{KEYS}/{}", text(&key["id"])));
    assert_eq!(key["scopes"], json!(["orders:place", "orders:read"]));
    let mut shown = key.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(ada.accounts().get(&location).await.is(200).json(), shown);
    assert_eq!(ada.accounts().get(KEYS).await.is(200).array(), [shown.clone()]);
    // A repeat gets the answer without what is secret.
    let again = ada.accounts().post(KEYS, body(&["orders:read", "orders:place"])).key("one").await.is(201);
    assert_eq!((again.header("idempotency-replayed"), &again.json()["secret"]), ("true", &Value::Null));
    assert_eq!(again.json()["id"], key["id"]);
    let secret = secret.rsplit('_').nth(1).unwrap();
    let tables = "SELECT relname::text FROM pg_stat_user_tables WHERE schemaname = 'accounts'";
    for table in shop.database.texts(tables).await {
        let rows = format!("SELECT count(*) FROM accounts.{table} AS kept WHERE kept::text LIKE '%{secret}%'");
        assert_eq!(shop.database.number(rows).await, 0, "{table}");
    }
    assert!(!shop.account_services[0].log().contains(secret));
}

#[tokio::test]
async fn a_key_is_for_no_more_than_its_owner_may() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let with = |field: &str, value: Value| {
        let mut body = body(&["orders:read"]);
        body[field] = value;
        ada.accounts().post(KEYS, body)
    };
    for (field, value, at_fault) in [
        ("roles", json!(["CUSTOMER", "ADMIN"]), "roles"),
        ("roles", json!([]), "roles"),
        ("roles", json!(["KING"]), "roles[0]"),
        ("scopes", json!([]), "scopes"),
        ("scopes", json!(["orders:read", "orders:burn"]), "scopes[1]"),
        ("expiresAt", json!("2020-01-01T00:00:00Z"), "expiresAt"),
        ("networks", json!(["10.0.0.0/99"]), "networks[0]"),
        ("name", json!(""), "name"),
        ("secret", json!("oms_mine"), "secret"),
    ] {
        assert_eq!(with(field, value.clone()).await.fields_at_fault(), [at_fault], "{field} {value}");
    }
    assert_eq!(ada.accounts().post(KEYS, json!({})).await.fields_at_fault(), ["name", "roles", "scopes"]);
    // The machine's own operator has no account that a key could act for.
    shop.accounts().post(KEYS, body(&["orders:read"])).await.problem(403, "forbidden");
}

#[tokio::test]
async fn anothers_key_is_the_404_of_a_missing_one() {
    let shop = plan().open().await;
    let (ada, bob) = (shop.register("ada@example.com").await, shop.register("bob@example.com").await);
    let key = make(&ada, &["orders:read"]).await;
    let id = text(&key["id"]);
    let nowhere = Uuid::now_v7().to_string();
    for method in ["GET", "DELETE"] {
        let call = |id: &str| bob.accounts().call(method.parse().unwrap(), &format!("{KEYS}/{id}"));
        let without_time = |mut problem: Value, id: &str| {
            problem["timestamp"] = Value::Null;
            problem.to_string().replace(id, "ID")
        };
        let (there, missing) = (call(id).await, call(&nowhere).await);
        let (there, missing) = (there.problem(404, "not-found"), missing.problem(404, "not-found"));
        assert_eq!(without_time(there, id), without_time(missing, &nowhere), "{method}");
    }
    assert_eq!(bob.accounts().get(KEYS).await.is(200).array(), Vec::<Value>::new());
    exchange_key(shop.accounts(), text(&key["secret"])).await.is(200);
}

#[tokio::test]
async fn an_account_has_fifty_keys_and_no_more() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    make(&ada, &["orders:read"]).await;
    let copies = "INSERT INTO accounts.api_keys (id, user_id, name, hash, roles, scopes)
                  SELECT gen_random_uuid(), user_id, name, ''::bytea, roles, scopes
                  FROM accounts.api_keys, generate_series(1, 48)";
    assert_eq!(shop.database.execute(copies).await, 48);
    let mut last = JoinSet::new();
    for _ in 0..6 {
        let client = ada.accounts().clone();
        last.spawn(async move { client.post(KEYS, body(&["orders:read"])).await });
    }
    let answers = last.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.problem(409, "too-many-api-keys");
    }
}

#[tokio::test]
async fn a_log_in_of_long_ago_makes_no_key() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let earlier = "UPDATE accounts.sessions SET authenticated_at = authenticated_at - INTERVAL '11 minutes'";
    assert_eq!(shop.database.execute(earlier).await, 1);
    let refreshed = shop.accounts().post("/api/auth/refresh", json!({"refreshToken": ada.refresh_token}));
    let token = refreshed.await.is(200).json();
    let later = shop.accounts().with_token(text(&token["accessToken"]));
    later.post(KEYS, body(&["orders:read"])).await.problem(401, "log-in-again");
    later.get(KEYS).await.is(200);
}

#[tokio::test]
async fn a_key_is_exchanged_for_a_token_until_it_is_ended() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let key = make(&ada, &["orders:read", "orders:place"]).await;
    let secret = text(&key["secret"]);
    let answer = exchange_key(shop.accounts(), secret).await.is(200);
    let token = answer.json();
    assert_eq!((&token["token_type"], &token["scope"]), (&json!("Bearer"), &json!("orders:place orders:read")));
    assert!((1..=600).contains(&token["expires_in"].as_i64().unwrap()), "{token}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let fields = [("grant_type", "client_credentials"), ("client_secret", secret), ("scope", "orders:read")];
    assert_eq!(exchange(shop.accounts(), &fields).await.is(200).json()["scope"], "orders:read");
    let listed = ada.accounts().get(KEYS).await.is(200).array();
    assert!(listed[0]["lastUsedAt"].is_string(), "{listed:?}");
    let for_orders = exchange_key(shop.accounts(), secret).await;
    assert_eq!(scope_of(text(&for_orders.json()["access_token"])), "orders:place orders:read");
    let narrow = exchange(shop.accounts(), &fields).await.json();
    assert_eq!(scope_of(text(&narrow["access_token"])), "orders:read");
    // A key makes no keys, and has no scope for the account.
    let program = shop.accounts().with_token(text(&token["access_token"]));
    program.get(KEYS).await.problem(403, "forbidden");
    program.get("/api/accounts/me/addresses").await.problem(403, "forbidden");

    let fields = [("grant_type", "client_credentials"), ("client_secret", secret), ("scope", "admin:read")];
    refused(&exchange(shop.accounts(), &fields).await, 400, "invalid_scope");
    refused(&exchange(shop.accounts(), &[("grant_type", "password")]).await, 400, "unsupported_grant_type");
    refused(&exchange(shop.accounts(), &[("client_secret", secret)]).await, 400, "invalid_request");
    refused(&exchange_key(shop.accounts(), &secret[1..]).await, 401, "invalid_client");
    let json = shop.accounts().post("/api/auth/token", json!({"grant_type": "client_credentials"})).await;
    json.problem(415, "unsupported-media-type");

    ada.accounts().delete(&format!("{KEYS}/{}", text(&key["id"]))).await.is(204);
    refused(&exchange_key(shop.accounts(), secret).await, 401, "invalid_client");
    assert_eq!(ada.accounts().get(KEYS).await.is(200).array(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_key_that_is_over_elsewhere_or_of_nobody_gets_no_token() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let mut elsewhere = body(&["orders:read"]);
    elsewhere["networks"] = json!(["203.0.113.0/24", "2001:db8::/32"]);
    let elsewhere = ada.accounts().post(KEYS, elsewhere).await.is(201).json();
    refused(&exchange_key(shop.accounts(), text(&elsewhere["secret"])).await, 401, "invalid_client");
    let mut here = body(&["orders:read"]);
    here["networks"] = json!(["127.0.0.0/8"]);
    let here = ada.accounts().post(KEYS, here).await.is(201).json();
    let secret = text(&here["secret"]);
    exchange_key(shop.accounts(), secret).await.is(200);
    shop.database.execute("UPDATE accounts.api_keys SET expires_at = now() - INTERVAL '1 second'").await;
    refused(&exchange_key(shop.accounts(), secret).await, 401, "invalid_client");
    // A token does not outlast its key.
    shop.database.execute("UPDATE accounts.api_keys SET expires_at = now() + INTERVAL '30 seconds'").await;
    let token = exchange_key(shop.accounts(), secret).await.is(200).json();
    assert!((1..=30).contains(&token["expires_in"].as_i64().unwrap()), "{token}");
    shop.database.execute("UPDATE accounts.users SET status = 'DISABLED'").await;
    refused(&exchange_key(shop.accounts(), secret).await, 401, "invalid_client");
}

#[tokio::test]
async fn a_key_with_networks_is_good_for_clients_in_them_wherever_it_is_exchanged() {
    let (name, value) = ("TRUSTED_PROXIES", "127.0.0.0/8");
    let plan = Shop::plan().with_accounts().order_variable(name, value).inventory_variable(name, value);
    let shop = plan.account_variable(name, value).open().await;
    let ada = shop.register("ada@example.com").await;
    let with_networks = async |networks: Value| {
        let mut body = body(&["orders:read"]);
        body["networks"] = networks;
        text(&ada.accounts().post(KEYS, body).await.is(201).json()["secret"]).to_owned()
    };
    let here = with_networks(json!(["127.0.0.0/8"])).await;
    let there = with_networks(json!(["203.0.113.0/24", "2001:db8::/32"])).await;
    let services = [
        (shop.orders(), "/api/orders"),
        (shop.inventory(), "/api/inventory/products"),
        (shop.accounts(), "/.well-known/jwks.json"),
    ];
    let at = async |(client, path): (&Client, &str), token: &str, from: Option<&'static str>| {
        let call = client.with_token(token).get(path);
        match from {
            Some(from) => call.header("x-forwarded-for", from).await,
            None => call.await,
        }
    };
    // Each one first, and each one while the token of the other is remembered.
    for from in [Some("203.0.113.9"), None, Some("2001:db8::7"), Some("198.51.100.1, 203.0.113.9"), Some("10.0.0.7")] {
        let is_there = from.is_some_and(|from| from != "10.0.0.7");
        for service in services {
            for (key, is_good) in [(&here, from.is_none()), (&there, is_there)] {
                let answer = at(service, key, from).await;
                assert_eq!(answer.status, if is_good { 200 } else { 401 }, "{from:?} {}: {}", service.1, answer.text);
            }
        }
    }
    // Who has stolen a token, or says of themselves what services say, gets no further.
    let token = exchange_key(shop.accounts(), &there).header("x-forwarded-for", "203.0.113.9").await.is(200).json();
    let says = [("grant_type", "client_credentials"), ("client_secret", &there), ("checks_networks", "true")];
    let other = exchange(shop.accounts(), &says).await.is(200).json();
    for token in [&token, &other].map(|token| text(&token["access_token"])) {
        at(services[0], token, Some("203.0.113.9")).await.is(200);
        for service in services {
            at(service, token, None).await.problem(401, "unauthenticated");
        }
    }
}

#[tokio::test]
async fn keys_that_are_made_up_use_up_the_share_of_their_address() {
    let plan = Shop::plan().with_accounts().order_variable("RATE_LIMIT_PER_SECOND", "2");
    let (shop, begun) = (plan.open().await, Instant::now());
    let mut made_up = JoinSet::new();
    for _ in 0..10 {
        let key = new_api_key(Uuid::now_v7()).unwrap();
        made_up.spawn(shop.orders().with_token(key.expose_secret()).get("/api/orders").into_future());
    }
    let answers = made_up.join_all().await;
    let limited = answers.iter().filter(|answer| answer.status == 429).count();
    for answer in &answers {
        // 503 where order-service does not know yet whom to ask.
        assert!([401, 429, 503].contains(&answer.status), "{}", answer.text);
        assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=2;w=1");
    }
    // Two at once, and two more for each second that it took.
    let seconds = begun.elapsed().as_secs_f64();
    assert!(limited <= 8 && limited as f64 >= 8.0 - 2.0 * seconds, "{limited} of 10 in {seconds} s");
    assert!(limited > 0, "the machine took more than four seconds for ten requests");
}

#[tokio::test]
async fn a_key_is_taken_by_every_service_and_outlives_a_change_of_its_owners_roles() {
    let shop = Shop::plan().with_accounts().open().await;
    let ada = shop.register("ada@example.com").await;
    let key = make(&ada, &["orders:read"]).await;
    let (orders, accounts) =
        (shop.orders().with_token(text(&key["secret"])), shop.accounts().with_token(text(&key["secret"])));
    orders.get("/api/orders").await.is(200);
    // Its owner may do these, and it is not for them.
    orders.post("/api/orders", json!({})).await.problem(403, "forbidden");
    orders.post("/api/orders/1/cancel", json!({})).await.problem(403, "forbidden");
    accounts.get("/.well-known/jwks.json").await.is(200);
    accounts.get("/api/accounts/me").await.problem(403, "forbidden");

    let token = exchange_key(shop.accounts(), text(&key["secret"])).await.is(200).json();
    let roles = json!({"roles": ["CUSTOMER", "SELLER"]});
    shop.accounts().put(&format!("/api/accounts/{}/roles", ada.id), roles).await.is(200);
    let before = shop.orders().with_token(text(&token["access_token"]));
    let revoked = async || poll::equal(before.get("/api/orders").await.status, 401);
    poll::eventually("the tokens of before to be refused", revoked).await;
    let goes_on = async || poll::equal(orders.get("/api/orders").await.status, 200);
    poll::eventually("the key to be exchanged anew", goes_on).await;

    shop.accounts().post(&format!("/api/accounts/{}/disable", ada.id), json!({})).await.is(200);
    for (client, path) in [(&orders, "/api/orders"), (&accounts, "/.well-known/jwks.json")] {
        let refused = async || poll::equal(client.get(path).await.status, 401);
        poll::eventually(&format!("{path} to refuse the key of a disabled account"), refused).await;
    }
    // It is taken again as soon as it was taken back, give or take what the machine needs.
    shop.accounts().post(&format!("/api/accounts/{}/enable", ada.id), json!({})).await.is(200);
    let taken = async || poll::equal(orders.get("/api/orders").await.status, 200);
    poll::within(Duration::from_secs(6), "the key to be taken again", taken).await;
}
