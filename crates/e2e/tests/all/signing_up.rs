//! Registering and codes: nobody learns which addresses have an account, and a code is good once, for its purpose.

use e2e::client::Response;
use e2e::samples::text;
use e2e::shop::Shop;
use serde_json::json;

const PASSWORD: &str = "plum-tractor-violin-9";
const OTHER: &str = "seven quiet green harbours";

async fn shop() -> Shop {
    let plan = Shop::plan().inventory_only().account_variable("REGISTRATION", "verified");
    plan.account_variable("RESETS_PER_MINUTE", "1000").open().await
}

async fn register(shop: &Shop, email: &str, password: &str) -> Response {
    let body = json!({"email": email, "password": password, "name": "Ada Lovelace"});
    shop.accounts().post("/api/auth/register", body).await
}

async fn log_in(shop: &Shop, email: &str, password: &str) -> Response {
    shop.accounts().post("/api/auth/login", json!({"email": email, "password": password})).await
}

/// The row of the code that was made last.
async fn last_code(shop: &Shop, purpose: &str) -> String {
    let sql = format!("SELECT id::text FROM accounts.codes WHERE purpose = '{purpose}' ORDER BY id DESC LIMIT 1");
    shop.database.texts(sql).await.pop().expect("a code")
}

/// The code of a mail, as order-service takes it.
async fn take(shop: &Shop, row: &str) -> String {
    let taken = shop.accounts().post(&format!("/internal/codes/{row}/take"), json!({})).await.is(200).json();
    text(&taken["code"]).to_owned()
}

async fn verify(shop: &Shop, email: &str, code: &str) -> Response {
    shop.accounts().post("/api/auth/verify", json!({"email": email, "code": code})).await
}

async fn reset(shop: &Shop, email: &str, code: &str) -> Response {
    let body = json!({"email": email, "code": code, "password": OTHER});
    shop.accounts().post("/api/auth/password/reset", body).await
}

async fn hashes(shop: &Shop) -> u64 {
    let metrics = shop.accounts().get("/metrics").await.is(200).text;
    let line = metrics.lines().find(|line| line.starts_with("password_hashes_total")).expect("the counter");
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn registering_says_the_same_whether_the_address_has_an_account() {
    let shop = shop().await;
    let first = register(&shop, "ada@example.com", PASSWORD).await.is(202);
    let code = take(&shop, &last_code(&shop, "VERIFY").await).await;
    log_in(&shop, "ada@example.com", PASSWORD).await.problem(401, "unauthenticated");
    verify(&shop, "ada@example.com", &code.to_lowercase().replace('-', "")).await.is(204);
    verify(&shop, "ada@example.com", &code).await.problem(400, "bad-code");

    let before = hashes(&shop).await;
    let again = register(&shop, "ADA@example.com", OTHER).await.is(202);
    assert_eq!((again.text, hashes(&shop).await), (first.text, before + 1), "in words and in work");
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM accounts.users").await, 1);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM accounts.codes WHERE purpose = 'KNOWN'").await, 1);
    // Whose account it is keeps their password.
    log_in(&shop, "ada@example.com", OTHER).await.problem(401, "unauthenticated");
    log_in(&shop, "ada@example.com", PASSWORD).await.is(200);
}

#[tokio::test]
async fn an_address_is_not_verified_with_the_password_of_somebody_else() {
    let shop = shop().await;
    register(&shop, "ada@example.com", PASSWORD).await.is(202);
    // Somebody else registers it before she has typed her code, and she reads their mail.
    shop.database.execute("UPDATE accounts.codes SET created_at = created_at - INTERVAL '2 minutes'").await;
    register(&shop, "ada@example.com", OTHER).await.is(202);
    let code = take(&shop, &last_code(&shop, "VERIFY").await).await;
    let verify = async |code: &str, password: &str| {
        let body = json!({"email": "ada@example.com", "code": code, "password": password});
        shop.accounts().post("/api/auth/verify", body).await
    };
    verify(&code, PASSWORD).await.problem(400, "bad-code");
    log_in(&shop, "ada@example.com", OTHER).await.problem(401, "unauthenticated");
    // She registers again.
    shop.database.execute("UPDATE accounts.codes SET created_at = created_at - INTERVAL '2 minutes'").await;
    register(&shop, "ada@example.com", PASSWORD).await.is(202);
    let code = take(&shop, &last_code(&shop, "VERIFY").await).await;
    assert_eq!(verify(&code, &"x".repeat(1001)).await.fields_at_fault(), ["password"]);
    verify(&code, PASSWORD).await.is(204);
    log_in(&shop, "ada@example.com", PASSWORD).await.is(200);
}

#[tokio::test]
async fn every_bad_field_of_a_registration_is_named_at_once() {
    let shop = shop().await;
    let faults = async |email: &str, password: &str| register(&shop, email, password).await.fields_at_fault();
    assert_eq!(faults("ada@example.com", &"a".repeat(20)).await, ["password"]);
    assert_eq!(faults("ada@", &"a".repeat(20)).await, ["email", "password"]);
    assert_eq!(faults("ada@", "a").await, ["email", "password"]);
    assert_eq!(faults("ada@", "Ada Lovelace Ada Lovelace").await, ["email", "password"]);
    assert_eq!(faults("ada@", PASSWORD).await, ["email"]);
}

#[tokio::test]
async fn asking_for_a_reset_says_the_same_and_writes_as_much() {
    let shop = shop().await;
    register(&shop, "ada@example.com", PASSWORD).await.is(202);
    let forgot = async |email: &str| {
        shop.accounts().post("/api/auth/password/forgot", json!({"email": email})).await.is(202).text
    };
    assert_eq!(forgot("ada@example.com").await, forgot("eve@example.com").await);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM accounts.codes WHERE purpose = 'RESET'").await, 2);
    // A second one within a minute fills nobody's mailbox.
    forgot("ada@example.com").await;
    let sent = "SELECT COUNT(*) FROM accounts.codes WHERE purpose = 'RESET' AND user_id IS NOT NULL";
    assert_eq!(shop.database.number(sent).await, 1);
}

#[tokio::test]
async fn a_code_has_five_tries_ten_minutes_and_one_purpose() {
    let shop = shop().await;
    register(&shop, "ada@example.com", PASSWORD).await.is(202);
    let row = last_code(&shop, "VERIFY").await;
    let code = take(&shop, &row).await;
    reset(&shop, "ada@example.com", &code).await.problem(400, "bad-code");
    for _ in 0..5 {
        verify(&shop, "ada@example.com", "0000-0000").await.problem(400, "bad-code");
    }
    verify(&shop, "ada@example.com", &code).await.problem(400, "bad-code");
    // A try is taken back: the code itself is still the right one.
    let change = async |set: &str| shop.database.execute(format!("UPDATE accounts.codes SET {set}")).await;
    change("tries = 4, expires_at = now()").await;
    verify(&shop, "ada@example.com", &code).await.problem(400, "bad-code");
    shop.accounts().post(&format!("/internal/codes/{row}/take"), json!({})).await.problem(404, "not-found");
    change("expires_at = now() + INTERVAL '1 minute'").await;
    verify(&shop, "ada@example.com", &code).await.is(204);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM accounts.codes WHERE sealed IS NOT NULL").await, 0);
}

#[tokio::test]
async fn a_password_is_set_with_a_code_and_ends_every_session() {
    let shop = shop().await;
    register(&shop, "ada@example.com", PASSWORD).await.is(202);
    verify(&shop, "ada@example.com", &take(&shop, &last_code(&shop, "VERIFY").await).await).await.is(204);
    let tokens = log_in(&shop, "ada@example.com", PASSWORD).await.is(200).json();
    shop.accounts().post("/api/auth/password/forgot", json!({"email": "ada@example.com"})).await.is(202);
    let code = take(&shop, &last_code(&shop, "RESET").await).await;
    let body = json!({"email": "ada@example.com", "code": code, "password": "Ada Lovelace Ada Lovelace"});
    let weak = shop.accounts().post("/api/auth/password/reset", body).await;
    assert_eq!(weak.fields_at_fault(), ["password"]);
    reset(&shop, "ada@example.com", &code).await.is(204);
    log_in(&shop, "ada@example.com", PASSWORD).await.problem(401, "unauthenticated");
    log_in(&shop, "ada@example.com", OTHER).await.is(200);
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    shop.accounts().post("/api/auth/refresh", refresh).await.problem(401, "unauthenticated");
    let audit = shop.database.texts("SELECT action FROM accounts.audit ORDER BY id").await;
    assert_eq!(audit, ["registered", "verified", "logged-in", "password-reset", "logged-in"]);
}

#[tokio::test]
async fn a_weak_password_is_refused_with_its_reason() {
    let shop = shop().await;
    for weak in ["short", "passwordpassword", "ada@example.com", "Lovelace Lovelace"] {
        let refused = register(&shop, "ada@example.com", weak).await;
        assert_eq!(refused.fields_at_fault(), ["password"], "{weak}");
        assert!(!refused.text.contains(weak), "{}", refused.text);
    }
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM accounts.users").await, 0);
}
