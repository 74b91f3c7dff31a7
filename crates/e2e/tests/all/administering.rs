//! What operators do with accounts, keys from the terminal, and the audit trail that shows who did what.

use e2e::client::Response;
use e2e::poll;
use e2e::samples::text;
use e2e::shop::{Plan, Shop};
use serde_json::{Value, json};
use time::OffsetDateTime;

const PASSWORD: &str = "plum-tractor-violin-9";

fn plan() -> Plan {
    Shop::plan().inventory_only().with_accounts().account_variable("RESETS_PER_MINUTE", "1000")
}

async fn register(shop: &Shop, email: &str) -> Value {
    let body = json!({"email": email, "password": PASSWORD, "name": "Ada Lovelace"});
    shop.accounts().post("/api/auth/register", body).await.is(201).json()
}

async fn log_in(shop: &Shop, email: &str, password: &str) -> Response {
    shop.accounts().post("/api/auth/login", json!({"email": email, "password": password})).await
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_and_may_come_back() {
    let shop = plan().open().await;
    let ada = register(&shop, "ada@example.com").await;
    let path = |call: &str| format!("/api/accounts/{}{call}", text(&ada["user"]["id"]));
    let disabled = shop.accounts().post(&path("/disable"), json!({})).key("once").await.is(200);
    assert_eq!(disabled.json()["status"], "DISABLED");
    assert_eq!(shop.accounts().post(&path("/disable"), json!({})).key("once").await.is(200).text, disabled.text);
    let refresh = json!({"refreshToken": ada["refreshToken"]});
    shop.accounts().post("/api/auth/refresh", refresh).await.problem(401, "unauthenticated");
    log_in(&shop, "ada@example.com", PASSWORD).await.problem(401, "unauthenticated");
    // A code would be refused, so none is sent.
    let reset = async || shop.accounts().post(&path("/reset"), json!({})).await;
    let refused = reset().await.problem(409, "account-disabled");
    assert!(text(&refused["detail"]).contains("enable"), "{refused}");
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM accounts.codes").await, 0);
    shop.accounts().post(&path("/enable"), json!({})).await.is(200);
    log_in(&shop, "ada@example.com", PASSWORD).await.is(200);
    reset().await.is(200);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM accounts.codes").await, 1);
    let tag = shop.accounts().get(&path("")).await.is(200).header("etag").to_owned();
    let roles =
        |roles: Value, tag: &str| shop.accounts().put(&path("/roles"), json!({"roles": roles})).header("if-match", tag);
    roles(json!(["ADMIN"]), "\"99\"").await.problem(412, "precondition-failed");
    assert_eq!(roles(json!(["ROOT"]), &tag).await.fields_at_fault(), ["roles[0]"]);
    assert_eq!(roles(json!(["ADMIN", "CUSTOMER"]), &tag).await.is(200).json()["roles"], json!(["CUSTOMER", "ADMIN"]));
    let audit = shop.accounts().get(&path("/audit")).await.is(200).array();
    let actions: Vec<(&str, &str)> = audit.iter().map(|it| (text(&it["actor"]), text(&it["action"]))).collect();
    assert_eq!(actions[..2], [("operator", "roles-changed"), ("operator", "reset-requested")]);
    assert_eq!(actions[2..5], [(actions[2].0, "logged-in"), ("operator", "enabled"), ("operator", "disabled")]);
    let nobody = "/api/accounts/00000000-0000-7000-8000-000000000000";
    shop.accounts().get(nobody).await.problem(404, "not-found");
    shop.accounts().post(&format!("{nobody}/disable"), json!({})).await.problem(404, "not-found");
}

#[tokio::test]
async fn who_loses_a_role_gets_no_token_with_it_meanwhile() {
    let shop = plan().open().await;
    let ada = register(&shop, "ada@example.com").await;
    let path = format!("/api/accounts/{}", text(&ada["user"]["id"]));
    let tag = async || shop.accounts().get(&path).await.is(200).header("etag").to_owned();
    let set = |roles: Value, tag: String| {
        shop.accounts().put(&format!("{path}/roles"), json!({"roles": roles})).header("if-match", &tag)
    };
    set(json!(["ADMIN"]), tag().await).await.is(200);
    let admin = log_in(&shop, "ada@example.com", PASSWORD).await.is(200).json();
    let list = async |tokens: &Value| {
        shop.accounts().with_token(text(&tokens["accessToken"])).get("/api/accounts?limit=1").await
    };
    list(&admin).await.is(200);
    // The change comes as far as its last step, and a second passes: tokens know whole seconds.
    let lock = shop.database.lock("LOCK TABLE accounts.audit IN EXCLUSIVE MODE").await;
    let change = set(json!(["CUSTOMER"]), tag().await);
    let change = tokio::spawn(async move { change.await });
    shop.database.somebody_waits().await;
    let second = || OffsetDateTime::now_utc().unix_timestamp();
    let begun = second();
    poll::eventually("the next second", async || if second() > begun { Ok(()) } else { Err("not yet".to_owned()) })
        .await;
    let refresh = shop.accounts().post("/api/auth/refresh", json!({"refreshToken": admin["refreshToken"]}));
    let refresh = tokio::spawn(async move { refresh.await });
    poll::eventually("the refresh to be answered or to wait", async || {
        let waiting = shop.database.waiting().await;
        if refresh.is_finished() || waiting == 2 { Ok(()) } else { Err(format!("{waiting} wait")) }
    })
    .await;
    lock.rollback().await.unwrap();
    change.await.unwrap().is(200);
    let refreshed = refresh.await.unwrap().is(200).json();
    poll::eventually("the role to be gone", async || poll::equal(list(&admin).await.status, 401)).await;
    list(&refreshed).await.problem(403, "forbidden");
}

#[tokio::test]
async fn accounts_are_listed_newest_first_and_found_by_address() {
    let shop = plan().open().await;
    for email in ["a@example.com", "b@example.com", "c@example.com"] {
        register(&shop, email).await;
    }
    let page = shop.accounts().get("/api/accounts?limit=2").await.is(200);
    let emails = |page: &Response| page.array().iter().map(|it| text(&it["email"]).to_owned()).collect::<Vec<_>>();
    assert_eq!(emails(&page), ["c@example.com", "b@example.com"]);
    let next = shop.accounts().get(&page.next_page().unwrap()).await.is(200);
    assert_eq!((emails(&next), next.next_page()), (vec!["a@example.com".to_owned()], None));
    let found = shop.accounts().get("/api/accounts?email=B@EXAMPLE.com&status=ACTIVE").await.is(200);
    assert_eq!(emails(&found), ["b@example.com"]);
    let none = shop.accounts().get("/api/accounts?email=b@example.com&status=DISABLED").await.is(200);
    assert_eq!(emails(&none), Vec::<String>::new());
    let faults = shop.accounts().get("/api/accounts?email=b&status=GONE").await.fields_at_fault();
    assert_eq!(faults, ["email", "status"]);
}

#[tokio::test]
async fn what_is_changed_in_the_audit_trail_shows() {
    let shop = plan().open().await;
    register(&shop, "ada@example.com").await;
    log_in(&shop, "ada@example.com", PASSWORD).await.is(200);
    let holds = async || shop.accounts().get("/api/admin/invariants").await.is(200).json()["holds"].clone();
    assert_eq!(holds().await, true);
    let change = "ALTER TABLE accounts.audit DISABLE TRIGGER audit_stays";
    shop.database.execute(change).await;
    for (change, back) in [
        (
            "UPDATE accounts.audit SET action = 'verified' WHERE id = 2",
            "UPDATE accounts.audit SET action = 'logged-in' WHERE id = 2",
        ),
        (
            "UPDATE accounts.audit SET at = at - INTERVAL '1 hour' WHERE id = 1",
            "UPDATE accounts.audit SET at = at + INTERVAL '1 hour' WHERE id = 1",
        ),
    ] {
        shop.database.execute(change).await;
        assert_eq!(holds().await, false, "{change}");
        shop.database.execute(back).await;
        assert_eq!(holds().await, true, "{back}");
    }
    shop.database.execute("DELETE FROM accounts.audit WHERE id = 1").await;
    assert_eq!(holds().await, false, "an entry is missing");
}

#[tokio::test]
async fn the_first_administrator_sets_a_password_with_a_code_from_the_terminal() {
    let shop = plan().open().await;
    let printed = shop.terminal(&["create-admin", "--email", "root@example.com"]);
    let code = printed.lines().map(str::trim).find(|line| line.len() == 9 && line.contains('-')).expect("a code");
    let body = json!({"email": "root@example.com", "code": code, "password": PASSWORD});
    shop.accounts().post("/api/auth/password/reset", body.clone()).await.is(204);
    shop.accounts().post("/api/auth/password/reset", body).await.problem(400, "bad-code");
    log_in(&shop, "root@example.com", PASSWORD).await.is(200);
    let roles = shop.database.texts("SELECT array_to_string(roles, ',') FROM accounts.users").await;
    assert_eq!(roles, ["ADMIN"]);
}

#[tokio::test]
async fn keys_are_published_and_rotated_without_a_restart() {
    let shop = plan().open().await;
    let kids = async || {
        let answer = shop.accounts().get("/.well-known/jwks.json").await.is(200);
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        let keys = answer.json()["keys"].as_array().unwrap().clone();
        assert!(keys.iter().all(|key| key["kty"] == "EC" && key["d"].is_null()), "{keys:?}");
        keys.iter().map(|key| text(&key["kid"]).to_owned()).collect::<Vec<_>>()
    };
    let before = kids().await;
    assert_eq!(before.len(), 1);
    register(&shop, "ada@example.com").await;
    assert!(shop.terminal(&["rotate-keys", "--now"]).contains(&before[0]));
    let after = kids().await;
    assert!(after.len() == 1 && after != before, "{after:?}");
    log_in(&shop, "ada@example.com", PASSWORD).await.is(200);
    assert_eq!(
        shop.database.number("SELECT COUNT(*) FROM accounts.signing_keys WHERE private_sealed IS NOT NULL").await,
        1
    );
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let issuer = shop.accounts().get(path).await.is(200).json();
        assert_eq!(issuer["jwks_uri"], format!("{}/.well-known/jwks.json", text(&issuer["issuer"])));
    }
}
