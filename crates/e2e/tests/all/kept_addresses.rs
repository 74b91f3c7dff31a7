//! Orders to an address that the customer keeps: `shippingAddressId` instead of `shippingAddress`.

use e2e::client::Client;
use e2e::people::Person;
use e2e::poll::eventually;
use e2e::samples::{MOUSE, int, order, text};
use e2e::shop::{Plan, Shop};
use serde_json::{Value, json};
use std::future::IntoFuture;
use uuid::Uuid;

const LONDON: &str = "Ada Lovelace\n12 St James's Square\nSecond floor\nLondon\nSW1Y 4JH\nGB";

/// Account-service is left alone for a moment only.
fn plan() -> Plan {
    Shop::plan().with_accounts().order_variable("NOTIFICATION_CIRCUIT_PAUSE_MS", "200")
}

/// Somebody with an account and an address, and how they call order-service.
async fn customer(shop: &Shop, email: &str) -> (Person, Client, String) {
    let person = shop.register(email).await;
    let address = json!({"name": "Ada Lovelace", "lines": ["12 St James's Square", "Second floor"],
        "city": "London", "postcode": "SW1Y 4JH", "country": "GB"});
    let made = person.accounts().post("/api/accounts/me/addresses", address).await.is(201).json();
    for service in &shop.order_services {
        eventually("the token to be known", async || {
            let answer = person.calls(service.client()).get("/api/orders").await;
            if answer.status == 200 { Ok(()) } else { Err(answer.text) }
        })
        .await;
    }
    let client = person.calls(shop.orders());
    (person, client, text(&made["id"]).to_owned())
}

fn order_to(id: &str) -> Value {
    let mut order = order(&[(MOUSE, 1)]);
    order.as_object_mut().unwrap().remove("shippingAddress");
    order["shippingAddressId"] = json!(id);
    order
}

async fn reservations(shop: &Shop) -> i64 {
    shop.database.number("SELECT count(*) FROM inventory.reservations").await
}

#[tokio::test]
async fn an_order_keeps_a_copy_of_the_address() {
    let shop = plan().open().await;
    let (ada, client, id) = customer(&shop, "ada@example.com").await;
    let placed = client.post("/api/orders", order_to(&id)).await.is(201).json();
    assert_eq!((text(&placed["shippingAddress"]), &placed["customerId"]), (LONDON, &json!(ada.id)));
    assert_eq!(placed.get("shippingAddressId"), None);
    let accepted = client.post("/api/orders", order_to(&id.to_uppercase())).header("prefer", "respond-async").await;
    assert_eq!(text(&accepted.is(202).json()["shippingAddress"]), LONDON);
    ada.accounts().delete(&format!("/api/accounts/me/addresses/{id}")).await.is(204);
    let kept = client.get(&format!("/api/orders/{}", placed["id"])).await.is(200).json();
    assert_eq!(text(&kept["shippingAddress"]), LONDON);
    let gone = client.post("/api/orders", order_to(&id)).await;
    assert_eq!(gone.fields_at_fault(), ["shippingAddressId"]);
}

#[tokio::test]
async fn an_address_of_somebody_else_is_none() {
    let shop = plan().open().await;
    let (ada, adas, id) = customer(&shop, "ada@example.com").await;
    let (_, bobs, _) = customer(&shop, "bob@example.com").await;
    let refused = async |client: &Client, body: Value| {
        let answer = client.post("/api/orders", body).await;
        assert_eq!(answer.fields_at_fault(), ["shippingAddressId"]);
        answer.json()["errors"]["shippingAddressId"].clone()
    };
    let (others, missing) = (refused(&bobs, order_to(&id)).await, order_to(&Uuid::now_v7().to_string()));
    assert_eq!(others, refused(&bobs, missing.clone()).await, "one cannot tell");
    assert_eq!(others, refused(&adas, missing).await);
    // Who has no account has no address.
    let operators = refused(shop.orders(), order_to(&id)).await;
    assert!(text(&operators).contains("logged in"), "{operators}");
    for other in ["x", "", &id.replace('-', "")] {
        assert_eq!(refused(&adas, order_to(other)).await, "must be a UUID");
    }
    let mut both = order_to(&id);
    both["shippingAddress"] = json!("London");
    assert_eq!(refused(&adas, both).await, "cannot stand beside shippingAddress");
    let mut neither = order_to(&id);
    neither["shippingAddressId"] = Value::Null;
    assert_eq!(adas.post("/api/orders", neither).await.fields_at_fault(), ["shippingAddress"]);
    assert_eq!(reservations(&shop).await, 0, "it is found out before stock is held");
    // Account-service gives addresses to order-service alone, and to nobody under another account.
    let path = |account: &str| format!("/internal/accounts/{account}/addresses/{id}");
    ada.accounts().get(&path(&ada.id)).await.problem(403, "forbidden");
    shop.accounts().get(&path(&ada.id)).await.is(200);
    shop.accounts().get(&path(&Uuid::now_v7().to_string())).await.problem(404, "not-found");
}

#[tokio::test]
async fn while_account_service_is_away_only_orders_that_need_it_wait() {
    let mut shop = plan().open().await;
    let (_, client, id) = customer(&shop, "ada@example.com").await;
    let first = client.post("/api/orders", order_to(&id)).key("a").await.is(201);
    let held = reservations(&shop).await;
    shop.account_services[0].kill();
    for _ in 0..7 {
        let problem = client.post("/api/orders", order_to(&id)).key("b").await.unavailable();
        assert!(text(&problem["detail"]).starts_with("account-service is not available"), "{problem}");
    }
    let later = client.post("/api/orders", order_to(&id)).header("prefer", "respond-async").await;
    later.unavailable();
    assert_eq!(reservations(&shop).await, held);
    // What was answered before is answered again, and other orders are placed.
    let again = client.post("/api/orders", order_to(&id)).key("a").await.is(201);
    assert_eq!((again.text.as_str(), again.header("idempotency-replayed")), (first.text.as_str(), "true"));
    client
        .post("/api/orders", order_to(&Uuid::now_v7().to_string()))
        .key("a")
        .await
        .problem(422, "idempotency-key-reused");
    client.post("/api/orders", order(&[(MOUSE, 1)])).await.is(201);
    shop.account_services[0].start().await;
    let placed = eventually("the order to be placed", async || {
        let answer = client.post("/api/orders", order_to(&id)).key("b").await;
        if answer.status == 201 { Ok(answer.json()) } else { Err(answer.text) }
    })
    .await;
    assert_eq!(text(&placed["shippingAddress"]), LONDON);
    assert_ne!(int(&placed["id"]), int(&first.json()["id"]));
}

#[tokio::test]
async fn requests_with_one_key_at_once_are_one_order() {
    let shop = plan().pairs(2).open().await;
    let (ada, client, id) = customer(&shop, "ada@example.com").await;
    let other = ada.calls(shop.order_services[1].client());
    let mut ids = Vec::new();
    let calls = (0..12).map(|n| [&client, &other][n % 2].post("/api/orders", order_to(&id)).key("a"));
    let calls: Vec<_> = calls.map(|call| tokio::spawn(call.into_future())).collect();
    for call in calls {
        let answer = call.await.unwrap();
        if answer.status == 201 {
            ids.push(int(&answer.json()["id"]));
        } else {
            answer.unavailable();
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.orders").await, 1);
}
