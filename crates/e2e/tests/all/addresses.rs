//! Addresses: one default of each kind at every moment, one's own alone, and no more than fifty.

use e2e::client::Client;
use e2e::people::Person;
use e2e::samples::text;
use e2e::shop::{Plan, Shop};
use serde_json::{Value, json};
use uuid::Uuid;

const ADDRESSES: &str = "/api/accounts/me/addresses";

fn plan() -> Plan {
    Shop::plan().inventory_only().with_accounts()
}

fn body(label: &str) -> Value {
    json!({"label": label, "name": "Ada Lovelace", "lines": ["12 St James's Square", "Second floor"],
           "city": "London", "postcode": "SW1Y 4JH", "country": "GB"})
}

async fn create(client: &Client, label: &str) -> Value {
    client.post(ADDRESSES, body(label)).await.is(201).json()
}

fn path(address: &Value) -> String {
    format!("{ADDRESSES}/{}", text(&address["id"]))
}

/// The labels of the defaults for shipping and for bills.
async fn defaults(person: &Person) -> (Vec<String>, Vec<String>) {
    let all = person.accounts().get(ADDRESSES).await.is(200).array();
    let with = |kind: &str| all.iter().filter(|it| it[kind] == true).map(|it| text(&it["label"]).to_owned()).collect();
    (with("defaultShipping"), with("defaultBilling"))
}

async fn assert_invariants(shop: &Shop) {
    let found = shop.accounts().get("/api/admin/invariants").await.is(200).json();
    assert_eq!(found["holds"], true, "{found}");
}

#[tokio::test]
async fn an_address_is_created_read_replaced_and_deleted() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    assert_eq!(ada.accounts().get(ADDRESSES).await.is(200).array(), Vec::<Value>::new());
    let made = ada.accounts().post(ADDRESSES, body("Home")).await.is(201);
    let address = made.json();
    assert_eq!((made.header("location"), made.header("etag")), (path(&address).as_str(), "\"1\""));
    for (field, value) in body("Home").as_object().unwrap() {
        assert_eq!(address[field], *value, "{field}");
    }
    assert_eq!(address["region"], Value::Null);
    assert_eq!((&address["defaultShipping"], &address["defaultBilling"]), (&json!(true), &json!(true)));
    let read = ada.accounts().get(&path(&address)).await.is(200);
    assert_eq!(read.json(), address);
    ada.accounts().get(&path(&address)).header("if-none-match", "\"1\"").await.is(304);

    let mut other = body("Parents");
    other["region"] = json!("Greater London");
    let put = |tag: &str| ada.accounts().put(&path(&address), other.clone()).header("if-match", tag);
    put("\"7\"").await.problem(412, "precondition-failed");
    let replaced = put("\"1\"").await.is(200);
    assert_eq!((replaced.header("etag"), &replaced.json()["region"]), ("\"2\"", &json!("Greater London")));
    // What is as it was is not written.
    assert_eq!(put("\"2\"").await.is(200).header("etag"), "\"2\"");
    ada.accounts().delete(&path(&address)).header("if-match", "\"1\"").await.problem(412, "precondition-failed");
    ada.accounts().delete(&path(&address)).await.is(204);
    ada.accounts().get(&path(&address)).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_default_moves_and_is_never_lost() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let (home, work) = (create(ada.accounts(), "Home").await, create(ada.accounts(), "Work").await);
    let labels = |shipping: &str, billing: &str| (vec![shipping.to_owned()], vec![billing.to_owned()]);
    assert_eq!(defaults(&ada).await, labels("Home", "Home"));
    let choose = |address: &Value, kinds: Value| ada.accounts().put(&format!("{}/default", path(address)), kinds);
    let chosen = choose(&work, json!({"shipping": true})).await.is(200);
    assert_eq!((chosen.header("etag"), &chosen.json()["defaultShipping"]), ("\"2\"", &json!(true)));
    assert_eq!(defaults(&ada).await, labels("Work", "Home"));
    // The other one has changed as well, and both stay as they are when that is asked for again.
    assert_eq!(ada.accounts().get(&path(&home)).await.is(200).header("etag"), "\"2\"");
    assert_eq!(choose(&work, json!({"shipping": true, "billing": false})).await.is(200).header("etag"), "\"2\"");
    assert_eq!(defaults(&ada).await, labels("Work", "Home"));
    for nothing in [json!({}), json!({"shipping": false}), json!({"shipping": null, "billing": null})] {
        assert_eq!(choose(&work, nothing).await.fields_at_fault(), ["shipping"]);
    }
    assert_eq!(choose(&work, json!({"shipping": "yes", "post": true})).await.fields_at_fault(), ["post", "shipping"]);

    let third = create(ada.accounts(), "Third").await;
    ada.accounts().delete(&path(&work)).await.is(204);
    assert_eq!(defaults(&ada).await, labels("Third", "Home"), "the newest takes its place");
    ada.accounts().delete(&path(&home)).await.is(204);
    assert_eq!(defaults(&ada).await, labels("Third", "Third"));
    assert_invariants(&shop).await;
    ada.accounts().delete(&path(&third)).await.is(204);
    create(ada.accounts(), "New").await;
    assert_eq!(defaults(&ada).await, labels("New", "New"));
}

#[tokio::test]
async fn two_switches_at_once_leave_one_default() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let mut addresses = Vec::new();
    for number in 0..4 {
        addresses.push(create(ada.accounts(), &format!("Number {number}")).await);
    }
    let mut switches = tokio::task::JoinSet::new();
    for turn in 0..40 {
        let (client, path) = (ada.accounts().clone(), path(&addresses[turn % 4]));
        let kinds = [json!({"shipping": true}), json!({"billing": true}), json!({"shipping": true, "billing": true})];
        let kinds = kinds[turn % 3].clone();
        switches.spawn(async move { client.put(&format!("{path}/default"), kinds).await.is(200) });
    }
    while let Some(switched) = switches.join_next().await {
        switched.unwrap();
        let (shipping, billing) = defaults(&ada).await;
        assert_eq!((shipping.len(), billing.len()), (1, 1), "{shipping:?} {billing:?}");
    }
    assert_invariants(&shop).await;
}

#[tokio::test]
async fn anothers_address_is_the_404_of_a_missing_one() {
    let shop = plan().open().await;
    let (ada, bob) = (shop.register("ada@example.com").await, shop.register("bob@example.com").await);
    let address = create(ada.accounts(), "Home").await;
    let (own, id) = (path(&address), text(&address["id"]));
    let nowhere = Uuid::now_v7().to_string();
    let missing = own.replace(id, &nowhere);
    let calls = |path: &str| {
        let bob = bob.accounts();
        [
            bob.get(path),
            bob.get(path).header("if-none-match", "\"1\""),
            bob.put(path, body("Mine")),
            bob.put(path, body("Mine")).header("if-match", "\"1\""),
            bob.put(&format!("{path}/default"), json!({"shipping": true})),
            bob.delete(path),
            bob.delete(path).header("if-match", "*"),
        ]
    };
    for (there, not_there) in calls(&own).into_iter().zip(calls(&missing)) {
        let without_time = |mut problem: Value, id: &str| {
            problem["timestamp"] = Value::Null;
            problem.to_string().replace(id, "ID")
        };
        let (there, not_there) = (there.await.problem(404, "not-found"), not_there.await.problem(404, "not-found"));
        assert_eq!(without_time(there, id), without_time(not_there, &nowhere));
    }
    assert_eq!(bob.accounts().get(ADDRESSES).await.is(200).array(), Vec::<Value>::new());
    assert_eq!(ada.accounts().get(&own).await.is(200).json(), address);
    // Who has no token, or is a program on this machine, has no addresses.
    let detail = shop.accounts().get(ADDRESSES).await.problem(403, "forbidden")["detail"].to_string();
    assert!(detail.contains("log in and send the token"), "{detail}");
    shop.accounts().get(ADDRESSES).header("authorization", "Bearer x").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn an_account_has_fifty_addresses_and_no_more() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    create(ada.accounts(), "First").await;
    let copies = "INSERT INTO accounts.addresses (id, user_id, name, lines, city, postcode, country)
                  SELECT gen_random_uuid(), user_id, name, lines, city, postcode, country
                  FROM accounts.addresses, generate_series(1, 48)";
    assert_eq!(shop.database.execute(copies).await, 48);
    let mut last = tokio::task::JoinSet::new();
    for number in 0..6 {
        let client = ada.accounts().clone();
        last.spawn(async move { client.post(ADDRESSES, body(&format!("Last {number}"))).await });
    }
    let answers = last.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.problem(409, "too-many-addresses");
    }
    assert_eq!(ada.accounts().get(ADDRESSES).await.is(200).array().len(), 50);
    // Others are not concerned.
    create(shop.register("bob@example.com").await.accounts(), "Home").await;
}

#[tokio::test]
async fn an_address_is_created_once_for_a_key() {
    let shop = plan().open().await;
    let (ada, bob) = (shop.register("ada@example.com").await, shop.register("bob@example.com").await);
    let post = |person: &Person, label: &str| person.accounts().post(ADDRESSES, body(label)).key("one");
    let first = post(&ada, "Home").await.is(201);
    let again = post(&ada, "Home").await.is(201);
    assert_eq!((again.text.as_str(), again.header("idempotency-replayed")), (first.text.as_str(), "true"));
    post(&ada, "Work").await.problem(422, "idempotency-key-reused");
    // The key of another is another key.
    let others = post(&bob, "Home").await.is(201);
    assert_eq!(others.find_header("idempotency-replayed"), None);
    assert_ne!(others.json()["id"], first.json()["id"]);
    assert_eq!(ada.accounts().get(ADDRESSES).await.is(200).array().len(), 1);
}

#[tokio::test]
async fn odd_texts_are_kept_or_refused() {
    let shop = plan().open().await;
    let ada = shop.register("ada@example.com").await;
    let with = |field: &str, value: Value| {
        let mut body = body("Home");
        body[field] = value;
        ada.accounts().post(ADDRESSES, body)
    };
    for kept in
        ["Zoë O’Neill", "علی رضایی", "王小明", "'; DROP TABLE accounts.addresses; --", "<b>Ada</b>", "👩\u{200d}🔧"]
    {
        assert_eq!(with("name", json!(kept)).await.is(201).json()["name"], kept);
    }
    assert_eq!(with("city", json!("  Lon don ")).await.is(201).json()["city"], "Lon don");
    assert_eq!(with("label", json!(" ")).await.is(201).json()["label"], Value::Null);
    let longest = "ä".repeat(70);
    assert_eq!(with("lines", json!([longest, longest, longest, longest])).await.is(201).json()["lines"][3], longest);
    for (field, value, at_fault) in [
        ("name", json!("a\u{0}b"), "name"),
        ("name", json!("Ada\nLovelace"), "name"),
        ("name", json!("\u{202e}adA"), "name"),
        ("name", json!("\u{200b}"), "name"),
        ("name", json!("x".repeat(71)), "name"),
        ("name", json!(7), "name"),
        ("name", Value::Null, "name"),
        ("lines", json!([]), "lines"),
        ("lines", json!("12 Main St"), "lines"),
        ("lines", json!(["1", "2", "3", "4", "5"]), "lines"),
        ("lines", json!(["1", ""]), "lines[1]"),
        ("lines", json!(["1", null]), "lines[1]"),
        ("postcode", json!("x".repeat(17)), "postcode"),
        ("country", json!("UK"), "country"),
        ("country", json!("gb"), "country"),
        ("country", json!("ZZ"), "country"),
        ("country", json!("Great Britain"), "country"),
        ("defaultShipping", json!(true), "defaultShipping"),
    ] {
        assert_eq!(with(field, value.clone()).await.fields_at_fault(), [at_fault], "{field} {value}");
    }
    let all = ["city", "country", "lines", "name", "postcode"];
    assert_eq!(ada.accounts().post(ADDRESSES, json!({})).await.fields_at_fault(), all);
    for id in ["1", "x", "01936f5e"] {
        ada.accounts().get(&format!("{ADDRESSES}/{id}")).await.problem(400, "invalid-path");
    }
}
