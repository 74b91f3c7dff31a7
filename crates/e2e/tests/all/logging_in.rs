//! Logging in and refreshing: guessing is slow, a refresh token is good once, and two tabs are no theft.

use e2e::client::Response;
use e2e::samples::text;
use e2e::shop::{Plan, Shop};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const PASSWORD: &str = "plum-tractor-violin-9";

fn plan() -> Plan {
    Shop::plan().inventory_only().with_accounts().account_variable("LOGINS_PER_MINUTE", "1000")
}

async fn register(shop: &Shop, email: &str) -> Value {
    let body = json!({"email": email, "password": PASSWORD, "name": "Ada Lovelace"});
    shop.accounts().post("/api/auth/register", body).await.is(201).json()
}

async fn log_in(shop: &Shop, email: &str, password: &str) -> Response {
    shop.accounts().post("/api/auth/login", json!({"email": email, "password": password})).await
}

async fn refresh(shop: &Shop, tokens: &Value) -> Response {
    shop.accounts().post("/api/auth/refresh", json!({"refreshToken": tokens["refreshToken"]})).await
}

async fn hashes(shop: &Shop) -> u64 {
    let metrics = shop.accounts().get("/metrics").await.is(200).text;
    let line = metrics.lines().find(|line| line.starts_with("password_hashes_total")).expect("the counter");
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn assert_invariants(shop: &Shop) {
    let found = shop.accounts().get("/api/admin/invariants").await.is(200).json();
    assert_eq!(found["holds"], true, "{found}");
}

#[tokio::test]
async fn every_log_in_does_the_same_work_and_says_the_same() {
    let shop = plan().open().await;
    let ada = register(&shop, "ada@example.com").await;
    register(&shop, "bob@example.com").await;
    let disable = format!("UPDATE accounts.users SET status = 'DISABLED' WHERE id = '{}'", text(&ada["user"]["id"]));
    shop.database.execute(disable).await;
    let cases = [
        ("nobody@example.com", PASSWORD),
        ("bob@example.com", "not the password it is"),
        ("ada@example.com", PASSWORD),
        ("bob@example.com", "x"),
    ];
    let mut details = Vec::new();
    for (email, password) in cases {
        let before = hashes(&shop).await;
        let refused = log_in(&shop, email, password).await;
        details.push(refused.problem(401, "unauthenticated")["detail"].clone());
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        assert_eq!(hashes(&shop).await, before + 1, "{email} {password}");
    }
    details.dedup();
    assert_eq!(details.len(), 1, "{details:?}");
    let before = hashes(&shop).await;
    log_in(&shop, "bob@example.com", PASSWORD).await.is(200);
    assert_eq!(hashes(&shop).await, before + 1);
}

#[tokio::test]
async fn after_five_wrong_passwords_somebody_waits() {
    let shop = plan().open().await;
    register(&shop, "ada@example.com").await;
    // At once, so that none knows of the others.
    let wrong = json!({"email": "ada@example.com", "password": "wrong password"});
    let tries = (0..20).map(|_| shop.accounts().post("/api/auth/login", wrong.clone()).into_future());
    let tries = tries.collect::<JoinSet<_>>().join_all().await;
    let compared = tries.iter().filter(|answer| answer.status == 401).count();
    assert_eq!((compared, tries.iter().filter(|answer| answer.status == 429).count()), (5, 15));
    let refused = log_in(&shop, "ada@example.com", PASSWORD).await;
    refused.problem(429, "too-many-tries");
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((50..=60).contains(&wait), "{wait}");
    // An address without an account is no different.
    for _ in 0..5 {
        log_in(&shop, "nobody@example.com", "wrong password").await.problem(401, "unauthenticated");
    }
    log_in(&shop, "nobody@example.com", "wrong password").await.problem(429, "too-many-tries");

    let wait_is_over = "UPDATE accounts.guesses SET blocked_until = now()";
    shop.database.execute(wait_is_over).await;
    log_in(&shop, "ada@example.com", "wrong password").await.problem(401, "unauthenticated");
    let wait: i64 = log_in(&shop, "ada@example.com", PASSWORD).await.header("retry-after").parse().unwrap();
    assert!((110..=120).contains(&wait), "the next wait is longer: {wait}");
    shop.database.execute(wait_is_over).await;
    log_in(&shop, "ada@example.com", PASSWORD).await.is(200);
    log_in(&shop, "ada@example.com", "wrong password").await.problem(401, "unauthenticated");
    log_in(&shop, "ada@example.com", PASSWORD).await.is(200);
}

#[tokio::test]
async fn after_a_hundred_failures_in_a_row_only_a_code_helps() {
    let shop = plan().open().await;
    let ada = register(&shop, "ada@example.com").await;
    log_in(&shop, "ada@example.com", "wrong password").await.problem(401, "unauthenticated");
    let failures = async |count: u32| {
        let sql = format!("UPDATE accounts.guesses SET failures = {count} WHERE network = ''");
        assert_eq!(shop.database.execute(sql).await, 1);
    };
    failures(100).await;
    let before = hashes(&shop).await;
    log_in(&shop, "ada@example.com", PASSWORD).await.problem(401, "unauthenticated");
    assert_eq!(hashes(&shop).await, before + 1, "it takes as long");
    // A session that is there is never hit.
    refresh(&shop, &ada).await.is(200);
    failures(99).await;
    log_in(&shop, "ada@example.com", PASSWORD).await.is(200);
}

#[tokio::test]
async fn one_network_has_so_many_tries() {
    let plan = Shop::plan().inventory_only().with_accounts().account_variable("LOGINS_PER_MINUTE", "3");
    let shop = plan.open().await;
    for number in 0..3 {
        log_in(&shop, &format!("{number}@example.com"), PASSWORD).await.problem(401, "unauthenticated");
    }
    let refused = log_in(&shop, "4@example.com", PASSWORD).await;
    refused.problem(429, "too-many-tries");
    assert!((1..=60).contains(&refused.header("retry-after").parse::<i64>().unwrap()));
}

#[tokio::test]
async fn a_session_is_not_refreshed_without_end() {
    let shop = plan().open().await;
    let mut tokens = register(&shop, "ada@example.com").await;
    for _ in 0..60 {
        tokens = refresh(&shop, &tokens).await.is(200).json();
    }
    for _ in 0..2 {
        let refused = refresh(&shop, &tokens).await;
        refused.problem(429, "too-many-tries");
        assert!((1..=600).contains(&refused.header("retry-after").parse::<i64>().unwrap()));
    }
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM accounts.refresh_tokens").await, 61);
    // The first of them is long ago, and so there is room for one. The token that was refused is as good as it was.
    let earlier = "UPDATE accounts.refresh_tokens SET used_at = used_at - INTERVAL '10 minutes' WHERE generation = 1";
    assert_eq!(shop.database.execute(earlier).await, 1);
    let tokens = refresh(&shop, &tokens).await.is(200).json();
    refresh(&shop, &tokens).await.problem(429, "too-many-tries");
    assert_invariants(&shop).await;
}

#[tokio::test]
async fn two_tabs_get_the_same_successor() {
    let shop = plan().open().await;
    let first = register(&shop, "ada@example.com").await;
    let body = json!({"refreshToken": first["refreshToken"]});
    let tabs = (0..8).map(|_| shop.accounts().post("/api/auth/refresh", body.clone()).into_future());
    let answers = tabs.collect::<JoinSet<_>>().join_all().await;
    let successors: Vec<Value> = answers.into_iter().map(|answer| answer.is(200).json()).collect();
    assert!(successors.iter().all(|it| it["refreshToken"] == successors[0]["refreshToken"]));
    assert_ne!(successors[0]["refreshToken"], first["refreshToken"]);
    refresh(&shop, &successors[0]).await.is(200);
    // The successor was used: who comes with the first one now is late, or a thief.
    refresh(&shop, &first).await.problem(401, "unauthenticated");
    assert_invariants(&shop).await;
    assert_eq!(shop.database.texts("SELECT reason FROM accounts.sessions").await, ["REUSE"]);
}

#[tokio::test]
async fn a_used_token_that_comes_again_ends_the_session() {
    let shop = plan().account_variable("REFRESH_GRACE_SECONDS", "2").open().await;
    let first = register(&shop, "ada@example.com").await;
    let second = refresh(&shop, &first).await.is(200).json();
    shop.database.execute("UPDATE accounts.refresh_tokens SET used_at = used_at - INTERVAL '3 seconds'").await;
    refresh(&shop, &first).await.problem(401, "unauthenticated");
    refresh(&shop, &second).await.problem(401, "unauthenticated");
    assert_eq!(shop.database.texts("SELECT reason FROM accounts.sessions").await, ["REUSE"]);
    let audit = shop.database.texts("SELECT action FROM accounts.audit ORDER BY id").await;
    assert_eq!(audit, ["registered", "token-reused"]);
    assert_invariants(&shop).await;
}

#[tokio::test]
async fn a_session_ends_when_it_was_idle_too_long_or_its_person_logs_out() {
    let shop = plan().open().await;
    let ada = register(&shop, "ada@example.com").await;
    shop.database.execute("UPDATE accounts.sessions SET idle_until = now()").await;
    refresh(&shop, &ada).await.problem(401, "unauthenticated");
    let again = log_in(&shop, "ada@example.com", PASSWORD).await.is(200).json();
    let log_out = async |token: &Value| {
        shop.accounts().post("/api/auth/logout", json!({"refreshToken": token})).await.is(204);
    };
    log_out(&again["refreshToken"]).await;
    log_out(&again["refreshToken"]).await;
    log_out(&json!("rt_nobody")).await;
    refresh(&shop, &again).await.problem(401, "unauthenticated");
    let reasons = "SELECT COALESCE(reason, '') FROM accounts.sessions ORDER BY id";
    assert_eq!(shop.database.texts(reasons).await, ["", "LOGOUT"]);
}
