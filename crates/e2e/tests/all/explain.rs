//! Why an order stands still: for each place where it can, the sentence that says so.

use e2e::broker::event;
use e2e::client::Client;
use e2e::issuer::Issuer;
use e2e::money;
use e2e::poll;
use e2e::samples::{LAPTOP, int, order, text};
use e2e::shop::{FAILURE_POINT, Shop};
use serde_json::{Value, json};
use shared_types::topology::ORDER_RESERVATION_EVENTS;
use std::time::{Duration, Instant};

async fn explained(client: &Client, id: i64) -> Value {
    client.get(&format!("/api/orders/{id}/explain")).await.is(200).json()
}

/// Waits until the order is explained by a sentence in which this stands.
async fn because(shop: &Shop, id: i64, sentence: &str) -> Value {
    poll::eventually(&format!("because: {sentence}"), async || {
        let explained = explained(shop.orders(), id).await;
        if text(&explained["because"]).contains(sentence) { Ok(explained) } else { Err(explained.to_string()) }
    })
    .await
}

async fn accept(shop: &Shop, quantity: i64) -> i64 {
    let accepted = shop.orders().post("/api/orders", order(&[(LAPTOP, quantity)]));
    int(&accepted.header("prefer", "respond-async").await.is(202).json()["id"])
}

fn can(explained: &Value, action: &str) -> bool {
    explained["actions"].as_array().unwrap().iter().any(|it| text(it).contains(action))
}

/// What is known, as places and texts.
fn chain(explained: &Value) -> String {
    let links = explained["chain"].as_array().unwrap().iter();
    links.map(|link| format!("{} | {}\n", text(&link["where"]), text(&link["what"]))).collect()
}

#[tokio::test]
async fn an_accepted_order_is_explained_at_each_of_its_failure_points() {
    let not_reserved = "It was accepted. Its stock is not reserved yet.";
    let not_written = "It was accepted and its stock is reserved. It is not written as placed yet.";
    for (point, sentence) in [
        ("accepted-before-reserve", not_reserved),
        ("accepted-after-reserve", not_written),
        ("accepted-before-commit", not_written),
    ] {
        let mut shop = Shop::plan().failure_point(point).open().await;
        let id = accept(&shop, 1).await;
        poll::eventually(&format!("the placement to stand still at {point}"), async || {
            poll::equal(shop.order_services[0].log_lines(&["standing still at a failure point", point]), 1)
        })
        .await;
        let explained = because(&shop, id, sentence).await;
        assert_eq!(text(&explained["next"]["what"]), "a worker tries to place it");
        assert!(explained["next"]["at"].is_null(), "a worker is at it: {explained}");
        assert!(text(&explained["then"]["at"]) > text(&explained["since"]), "{explained}");
        let link = explained["chain"].as_array().unwrap().iter().find(|it| it["traceId"].is_string());
        assert_eq!(text(&link.unwrap()["traceId"]).len(), 32, "{explained}");
        shop.order_services[0].kill();
        shop.order_services[0].set(FAILURE_POINT, "");
        shop.order_services[0].start().await;
        because(&shop, id, "It waits to be shipped.").await;
    }
}

#[tokio::test]
async fn an_order_is_explained_at_each_failure_point_of_its_placement() {
    for point in ["before-reserve", "after-reserve", "before-commit"] {
        let shop = stopped_at(point).await;
        // Nothing is written: there is no order to explain.
        shop.orders().get("/api/orders/1/explain").await.problem(404, "not-found");
    }
    for point in ["after-commit", "before-answer"] {
        let shop = stopped_at(point).await;
        let explained = because(&shop, 1, "Its event waits in the outbox, as RabbitMQ is not reached").await;
        assert_eq!(text(&explained["waitingFor"]), "RabbitMQ");
        assert_eq!(text(&explained["then"]["what"]), "settling commits its stock");
        assert!(
            chain(&explained).contains("inventory-service: reservations | stock reserved, now HELD"),
            "{explained}"
        );
    }
}

/// A shop without a broker, whose first order stands still.
async fn stopped_at(point: &'static str) -> Shop {
    let shop = Shop::plan().without_broker().failure_point(point).open().await;
    let client = shop.orders().clone();
    tokio::spawn(async move { client.post("/api/orders", order(&[(LAPTOP, 1)])).attempt().await });
    poll::eventually(&format!("the placement to stand still at {point}"), async || {
        poll::equal(shop.order_services[0].log_lines(&["standing still at a failure point", point]), 1)
    })
    .await;
    shop
}

#[tokio::test]
async fn messages_that_were_set_aside_are_named() {
    let shop = Shop::open().await;
    shop.database.refuse_changes(LAPTOP, "23514").await;
    let placed = shop.place(&[(LAPTOP, 1)]).await;
    let id = int(&placed["id"]);
    let seen = because(&shop, id, "inventory-service set its event aside as dead letter 1: ").await;
    assert!(text(&seen["because"]).contains("refused by the test"), "{seen}");
    assert_eq!(text(&seen["waitingFor"]), "an operator");
    assert!(can(&seen, "POST /api/admin/dead-letters/1/replay on inventory-service"), "{seen}");
    for part in [
        "order-service: timeline | PENDING by",
        "inventory-service: dead letters | order.created set aside as dead letter 1 of inventory-service.order-events",
        "order-service: notifications | order-placed by EMAIL, SKIPPED",
    ] {
        poll::eventually(part, async || {
            let known = chain(&explained(shop.orders(), id).await);
            if known.contains(part) { Ok(()) } else { Err(known) }
        })
        .await;
    }

    let broken = event("reservation.committed", text(&placed["reference"]), json!({}));
    shop.broker().send(ORDER_RESERVATION_EVENTS.name, &broken.to_string()).await;
    let seen = because(&shop, id, "order-service set the answer of inventory-service aside as dead letter 1").await;
    assert!(can(&seen, "POST /api/admin/dead-letters/1/replay?dryRun=true on order-service"), "{seen}");
    let link = seen["chain"].as_array().unwrap().iter().find(|it| it["eventId"] == broken["id"]);
    assert!(link.is_some(), "{seen}");
}

#[tokio::test]
async fn stock_on_its_way_is_explained_step_by_step() {
    let shop = Shop::plan().inventory_variable("RETRY_DELAYS_MS", "600000").open().await;
    // 40001, serialization_failure: worth another attempt.
    shop.database.refuse_changes(LAPTOP, "40001").await;
    let placed = shop.place(&[(LAPTOP, 1)]).await;
    let (id, reference) = (int(&placed["id"]), text(&placed["reference"]));
    because(&shop, id, "Its event is on its way to inventory-service, or waits there to be tried again.").await;
    poll::eventually("the event to wait for another attempt", async || {
        poll::equal(shop.inventory_services[0].log_lines(&["message will be tried again"]), 1)
    })
    .await;
    shop.database.accept_changes().await;
    // What inventory-service says meanwhile is not dealt with.
    let lock = shop.database.lock("LOCK TABLE orders.inbox IN EXCLUSIVE MODE").await;
    let other = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    because(&shop, other, "Its stock is committed. The answer of inventory-service is on its way.").await;
    shop.inventory().post(&format!("/api/inventory/reservations/{reference}/release"), json!({})).await.is(200);
    because(&shop, id, "Its stock was released before it was committed: the order has none.").await;
    lock.rollback().await.unwrap();
    let explained = because(&shop, id, "its reservation was released by hand").await;
    assert_eq!((text(&explained["state"]), &explained["next"]), ("CANCELLED", &Value::Null));
    because(&shop, other, "It waits to be shipped.").await;
}

#[tokio::test]
async fn inventory_service_that_is_away_is_named() {
    let mut shop = Shop::plan().open().await;
    shop.database.refuse_changes(LAPTOP, "23514").await;
    let placed = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    because(&shop, placed, "set its event aside").await;
    shop.inventory_services[0].kill();
    let explained =
        because(&shop, placed, "It is placed and waits for its stock to be committed. inventory-service: ").await;
    assert_eq!(text(&explained["waitingFor"]), "inventory-service");
    let accepted = accept(&shop, 1).await;
    let explained = because(&shop, accepted, "Attempts in vain: 2. inventory-service: ").await;
    assert_eq!(text(&explained["waitingFor"]), "inventory-service");
    assert!(can(&explained, &format!("POST /api/orders/{accepted}/cancel")), "{explained}");
}

#[tokio::test]
async fn an_order_is_explained_to_its_end() {
    let shop = Shop::open().await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    let confirmed = because(&shop, id, "Its stock is committed. It waits to be shipped.").await;
    assert!(can(&confirmed, &format!("PUT /api/orders/{id}/status")), "{confirmed}");
    let path = format!("/api/orders/{id}/status");
    for (status, sentence) in [("SHIPPED", "It has left the house"), ("DELIVERED", "It was delivered.")] {
        shop.orders().put(&path, json!({"status": status})).await.is(200);
        let moved = because(&shop, id, sentence).await;
        assert_eq!(text(&moved["state"]), status);
    }
    assert_eq!(explained(shop.orders(), id).await["actions"], json!([]));
    let too_many = accept(&shop, 1000).await;
    because(&shop, too_many, "Insufficient stock: ").await;
    shop.orders().get("/api/orders/999/explain").await.problem(404, "not-found");
    shop.orders().get("/api/orders/first/explain").await.problem(400, "invalid-path");
    // The fastest: the machine has more to do.
    let mut fastest = Duration::MAX;
    for _ in 0..50 {
        let started = Instant::now();
        explained(shop.orders(), id).await;
        fastest = fastest.min(started.elapsed());
    }
    assert!(fastest <= Duration::from_millis(20), "{fastest:?}");
}

#[tokio::test]
async fn customers_see_where_their_own_order_is_and_no_more() {
    let issuer = Issuer::start().await;
    let shop = Shop::plan().order_variable("AUTH_ISSUER", issuer.url()).open().await;
    let customer = |id: u128| {
        let token = issuer.token(json!({"sub": uuid::Uuid::from_u128(id), "roles": ["CUSTOMER"]}));
        shop.orders().with_token(&token)
    };
    let (ada, bob) = (customer(1), customer(2));
    shop.database.refuse_changes(LAPTOP, "23514").await;
    let id = int(&ada.post("/api/orders", order(&[(LAPTOP, 1)])).await.is(201).json()["id"]);
    because(&shop, id, "set its event aside").await;
    let seen = explained(&ada, id).await;
    assert_eq!(text(&seen["because"]), "We have your order. Its goods are set aside.");
    assert_eq!(seen["actions"], json!([format!("POST /api/orders/{id}/cancel")]));
    let chain: Vec<_> = seen["chain"].as_array().unwrap().iter().map(|it| text(&it["what"])).collect();
    assert_eq!(chain, ["PENDING"]);
    for secret in ["inventory", "dead", "where", "eventId", "traceId", "api\""] {
        assert!(!seen.to_string().replace("/api/", "").contains(secret), "{secret} in {seen}");
    }
    let cancel = json!({"reason": "Too late", "internalNote": "Rang twice"});
    shop.orders().post(&format!("/api/orders/{id}/cancel"), cancel).await.is(200);
    let seen = explained(&ada, id).await;
    assert_eq!((text(&seen["because"]), &seen["actions"]), ("Too late", &json!([])));
    assert_eq!(text(&explained(shop.orders(), id).await["because"]), "Rang twice (its customer was told: Too late)");
    bob.get(&format!("/api/orders/{id}/explain")).await.problem(404, "not-found");
}

#[tokio::test]
async fn customers_are_told_of_money_that_goes_back_to_them() {
    let issuer = Issuer::start().await;
    let shop = Shop::plan().order_variable("AUTH_ISSUER", issuer.url()).open().await;
    let ada = shop.orders().with_token(&issuer.token(json!({"sub": uuid::Uuid::from_u128(1), "roles": ["CUSTOMER"]})));
    let mut body = order(&[(LAPTOP, 1)]);
    body["payment"] = json!({"method": "CASH_ON_DELIVERY"});
    let placed = ada.post("/api/orders", body).await.is(201).json();
    let (id, payment) = (int(&placed["id"]), format!("/api/payments/{}", placed["payment"]["id"]));
    shop.order_becomes(id, "CONFIRMED").await;
    shop.orders().post(&format!("{payment}/collect"), json!({})).await.is(200);
    let part = json!({"amount": 500.5, "reason": "scratched"});
    shop.orders().post(&format!("{payment}/refunds"), part).await.is(200);
    ada.post(&format!("/api/orders/{id}/cancel"), json!({"reason": "Too late"})).await.is(200);
    let told = explained(&ada, id).await;
    assert_eq!(text(&told["because"]), "We will give back 1999.49 INR. Too late");
    assert_eq!((text(&told["waitingFor"]), text(&told["next"]["what"])), ("our office", "we give your money back"));
    shop.orders().post(&format!("{payment}/refunds"), json!({"reason": "paid out"})).await.is(200);
    let told = explained(&ada, id).await;
    assert_eq!((text(&told["because"]), &told["next"]), ("Too late", &Value::Null));
}

#[tokio::test]
async fn customers_are_told_of_money_that_a_provider_gives_back() {
    let (issuer, sandbox) = (Issuer::start().await, money::sandbox().await);
    let shop = Shop::plan().order_variable("AUTH_ISSUER", issuer.url()).paid_by(&sandbox).open().await;
    let ada = shop.orders().with_token(&issuer.token(json!({"sub": uuid::Uuid::from_u128(1), "roles": ["CUSTOMER"]})));
    let id = int(&ada.post("/api/orders", money::order_by("CARD")).await.is(201).json()["id"]);
    money::pay(&shop, id, "pm_card_visa").await.is(200);
    shop.order_becomes(id, "CONFIRMED").await;
    sandbox.always("POST /v1/refunds", payment_sandbox::Fault::TooMany);
    ada.post(&format!("/api/orders/{id}/cancel"), json!({"reason": "Too late"})).await.is(200);
    let told = explained(&ada, id).await;
    assert_eq!(text(&told["because"]), "We will give back 59.98 INR. Too late");
    let expected = ("the payment service", "your money comes back the way it came");
    assert_eq!((text(&told["waitingFor"]), text(&told["next"]["what"])), expected);
}

#[tokio::test]
async fn an_order_that_waits_for_its_money_says_why() {
    let (issuer, sandbox) = (Issuer::start().await, money::sandbox().await);
    let shop = Shop::plan().order_variable("AUTH_ISSUER", issuer.url()).paid_by(&sandbox).open().await;
    let ada = shop.orders().with_token(&issuer.token(json!({"sub": uuid::Uuid::from_u128(1), "roles": ["CUSTOMER"]})));
    let placed = ada.post("/api/orders", money::order_by("CARD")).await.is(201).json();
    let (id, payment) = (int(&placed["id"]), int(&placed["payment"]["id"]));
    let both = async || {
        let (shop, customer) = (explained(shop.orders(), id).await, explained(&ada, id).await);
        assert_eq!(shop["then"]["at"], customer["then"]["at"], "{shop} {customer}");
        (text(&shop["because"]).to_owned(), text(&customer["because"]).to_owned())
    };
    assert_eq!(both().await.1, "We have your order. It has to be paid.");
    assert!(explained(&ada, id).await["then"]["at"].is_string());
    money::pay(&shop, id, "pm_card_chargeDeclined").await.is(200);
    let (operators, customers) = both().await;
    assert_eq!(operators, "It has to be paid first. STRIPE refused the last attempt: card_declined.");
    assert_eq!(customers, "We have your order. Your last payment did not go through.");
    let chain = explained(shop.orders(), id).await["chain"].to_string();
    assert!(chain.contains("CONFIRM of 59.98 by STRIPE, REFUSED: card_declined"), "{chain}");
    assert!(!explained(&ada, id).await["chain"].to_string().contains("STRIPE"), "that is for operators");
    money::pay(&shop, id, "pm_card_threeDSecure2Required").await.is(200);
    assert_eq!(both().await.1, "We have your order. Your payment is not confirmed yet.");
    sandbox.always("GET /v1/payment_intents", payment_sandbox::Fault::WrongAmount);
    shop.orders().post(&format!("/api/payments/{payment}/confirm"), json!({})).await.is(200);
    let (operators, customers) = both().await;
    assert!(operators.starts_with("Its payment is under review"), "{operators}");
    assert_eq!(customers, "We have your order and check its payment.");
}

#[tokio::test]
async fn an_order_whose_payment_was_called_off_can_have_another() {
    let (issuer, sandbox) = (Issuer::start().await, money::sandbox().await);
    let shop = Shop::plan().order_variable("AUTH_ISSUER", issuer.url()).paid_by(&sandbox).open().await;
    let ada = shop.orders().with_token(&issuer.token(json!({"sub": uuid::Uuid::from_u128(1), "roles": ["CUSTOMER"]})));
    let placed = ada.post("/api/orders", money::order_by("CARD")).await.is(201).json();
    let (id, payment) = (int(&placed["id"]), int(&placed["payment"]["id"]));
    shop.orders().post(&format!("/api/payments/{payment}/void"), json!({})).await.is(200);
    money::session(&shop, payment).await.problem(409, "invalid-transition");
    let told = explained(shop.orders(), id).await;
    assert_eq!(text(&told["because"]), "Its payment was called off before anything was paid. Another can be opened.");
    assert_eq!(text(&told["next"]["what"]), "another payment is opened and paid");
    let told = explained(&ada, id).await;
    assert_eq!(
        text(&told["because"]),
        "We have your order. Its payment was called off: please choose again how to pay."
    );
    money::pay(&shop, id, "pm_card_visa").await.is(201);
    shop.order_becomes(id, "CONFIRMED").await;
}

#[tokio::test]
async fn an_order_that_was_taken_into_an_account_is_explained_by_what_happened_to_it() {
    let shop = Shop::plan().guests().with_accounts().open().await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    let access = shop.guest_access(id).await;
    let reason = json!({"reason": "Ordered twice"});
    shop.orders().post(&format!("/api/orders/{id}/cancel"), reason).await.is(200);
    let before = explained(shop.orders(), id).await;
    let ada = shop.register("ada@example.com").await;
    let claimed = ada.calls(shop.orders()).post(&access.claim(), json!({"code": access.code}));
    claimed.await.is(200);
    let customers = ada.calls(shop.orders());
    for client in [shop.orders(), &customers] {
        let after = explained(client, id).await;
        assert_eq!((&after["since"], text(&after["because"])), (&before["since"], "Ordered twice"));
        let told: Vec<&str> = after["chain"].as_array().unwrap().iter().map(|link| text(&link["what"])).collect();
        assert!(told.contains(&"Taken into an account"), "{after}");
    }
}
