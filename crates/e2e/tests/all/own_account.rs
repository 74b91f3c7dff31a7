//! One's own account, with a token: what one sees and changes, and what ends with it.

use e2e::people::{PASSWORD, Person};
use e2e::poll;
use e2e::samples::text;
use e2e::shop::{Plan, Shop};
use serde_json::json;
use std::future::IntoFuture;
use tokio::task::JoinSet;

const OTHER: &str = "seven quiet green harbours";
const ME: &str = "/api/accounts/me";

fn plan() -> Plan {
    Shop::plan().inventory_only().with_accounts().account_variable("LOGINS_PER_MINUTE", "1000")
}

/// The same person in another session.
async fn again(shop: &Shop, email: &str) -> Person {
    let body = json!({"email": email, "password": PASSWORD});
    let tokens = shop.accounts().post("/api/auth/login", body).await.is(200).json();
    let client = shop.accounts().with_token(text(&tokens["accessToken"]));
    let id = text(&client.get(ME).await.is(200).json()["id"]).to_owned();
    Person::new(shop, &id, text(&tokens["accessToken"]), text(&tokens["refreshToken"]))
}

/// The instance that took a token back refuses it from then on.
async fn is_refused(person: &Person) {
    person.accounts().get(ME).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn people_see_and_change_their_own_account_alone() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let me = ada.accounts().get(ME).await.is(200);
    assert_eq!((text(&me.json()["email"]), me.header("etag")), ("ada@example.com", "\"1\""));
    let patch = |body| ada.accounts().patch(ME, body).header("if-match", "\"1\"");
    assert_eq!(patch(json!({"name": null, "phone": "x"})).await.fields_at_fault(), ["name", "phone"]);
    assert_eq!(patch(json!({"email": "eve@example.com"})).await.fields_at_fault(), ["email"]);
    let changed = patch(json!({"phone": "+44 20 7946 0000"})).await.is(200);
    assert_eq!((changed.json()["name"].clone(), changed.header("etag")), (json!("Ada Lovelace"), "\"2\""));
    patch(json!({"phone": null})).await.problem(412, "precondition-failed");
    shop.accounts().get(ME).await.problem(403, "forbidden");
    for path in ["/api/accounts".to_owned(), format!("/api/accounts/{}", ada.id)] {
        ada.accounts().get(&path).await.problem(403, "forbidden");
    }
    ada.accounts().post(&format!("/api/accounts/{}/disable", ada.id), json!({})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let elsewhere = again(&shop, "ada@example.com").await;
    let change = |current: &str, new: &str| {
        ada.accounts().put(&format!("{ME}/password"), json!({"currentPassword": current, "newPassword": new}))
    };
    assert_eq!(change("wrong password", OTHER).await.fields_at_fault(), ["currentPassword"]);
    assert_eq!(change(PASSWORD, "Ada Lovelace Ada Lovelace").await.fields_at_fault(), ["newPassword"]);
    change(PASSWORD, OTHER).await.is(204);
    is_refused(&elsewhere).await;
    ada.accounts().get(ME).await.is(200);
    let log_in = |password: &str| {
        shop.accounts().post("/api/auth/login", json!({"email": "ada@example.com", "password": password}))
    };
    log_in(PASSWORD).await.problem(401, "unauthenticated");
    log_in(OTHER).await.is(200);
}

#[tokio::test]
async fn of_two_changes_of_a_password_the_second_finds_the_first() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let at_once = async |new: [&str; 2]| {
        let lock = shop.database.lock("SELECT 1 FROM accounts.users FOR UPDATE").await;
        let mut changes = JoinSet::new();
        for new in new {
            let body = json!({"currentPassword": PASSWORD, "newPassword": new});
            changes.spawn(ada.accounts().put(&format!("{ME}/password"), body).into_future());
        }
        poll::eventually("both to wait", async || poll::equal(shop.database.waiting().await, 2)).await;
        lock.rollback().await.unwrap();
        changes.join_all().await
    };
    // Whoever changes nothing is as right the second time.
    for answer in at_once([PASSWORD, PASSWORD]).await {
        answer.is(204);
    }
    let answers = at_once([OTHER, "nine loud orange harbours"]).await;
    let (done, late): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 204);
    assert_eq!((done.len(), late.len()), (1, 1));
    assert_eq!(late[0].fields_at_fault(), ["currentPassword"]);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_person_alone() {
    let shop = plan().open().await;
    let (ada, bob) = (shop.register("ada@example.com").await, shop.register("bob@example.com").await);
    let elsewhere = again(&shop, "ada@example.com").await;
    let listed = ada.accounts().get("/api/auth/sessions").await.is(200).array();
    assert_eq!(listed.iter().map(|it| it["current"] == true).collect::<Vec<_>>(), [false, true]);
    let path = format!("/api/auth/sessions/{}", text(&listed[0]["id"]));
    bob.accounts().delete(&path).await.problem(404, "not-found");
    ada.accounts().delete(&path).await.is(204);
    ada.accounts().delete(&path).await.problem(404, "not-found");
    is_refused(&elsewhere).await;
    ada.accounts().get(ME).await.is(200);
    ada.accounts().post("/api/auth/logout-all", json!({})).await.is(204);
    is_refused(&ada).await;
    bob.accounts().get(ME).await.is(200);
}

#[tokio::test]
async fn an_erased_account_leaves_nothing_personal() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    ada.accounts().delete(ME).header("if-match", "\"7\"").await.problem(412, "precondition-failed");
    ada.accounts().delete(ME).await.is(204);
    is_refused(&ada).await;
    let rows = "SELECT row_to_json(u)::text FROM accounts.users u UNION ALL SELECT row_to_json(s)::text FROM accounts.sessions s
                UNION ALL SELECT row_to_json(a)::text FROM accounts.audit a";
    for row in shop.database.texts(rows).await {
        for personal in ["ada@", "Lovelace", "127.0.0", "argon2"] {
            assert!(!row.contains(personal), "{row}");
        }
    }
    assert_eq!(shop.database.texts("SELECT status FROM accounts.users").await, ["ERASED"]);
    assert_eq!(shop.accounts().get("/api/admin/invariants").await.is(200).json()["holds"], true);
    // The address is free again.
    shop.register("ada@example.com").await;
}

#[tokio::test]
async fn tokens_that_name_other_roles_or_an_ended_session_are_refused() {
    let shop = plan().open().await;
    for address in ["ada@example.com", "bob@example.com", "eve@example.com"] {
        let person = shop.register(address).await;
        let roles = json!({"roles": ["CUSTOMER", "SELLER"]});
        shop.accounts().put(&format!("/api/accounts/{}/roles", person.id), roles).await.is(200);
        is_refused(&person).await;
        let person = again(&shop, address).await;
        let refresh = json!({"refreshToken": person.refresh_token});
        shop.accounts().post("/api/auth/logout", refresh).await.is(204);
        is_refused(&person).await;
    }
}
