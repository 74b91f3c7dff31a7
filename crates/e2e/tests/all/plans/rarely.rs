//! What `plans` does beside the usual: calls and jobs whose statements run seldom.

use e2e::broker::event;
use e2e::client::Client;
use e2e::money;
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order, product, reservation, text};
use e2e::shop::Shop;
use payment_sandbox::{Fault, Happened, Provider, Sandbox};
use reqwest::Method;
use serde_json::json;
use shared_types::topology::{INVENTORY_ORDER_EVENTS, INVENTORY_SHIPMENTS, ORDER_RESERVATION_EVENTS};
use uuid::Uuid;

/// Does all of it; `key` is another one each time.
pub async fn use_the_rest(shop: &Shop, key: &str) {
    change_the_catalogue(shop, key).await;
    write_a_product_by_hand(shop, key).await;
    ship_an_order(shop).await;
    pay_at_the_door(shop).await;
    hold_stock_again(shop).await;
    lose_stock(shop).await;
    list_orders(shop).await;
    complete_customers(shop).await;
    send_again(shop).await;
    leave_stock_without_an_order(shop).await;
    for (client, schema, consumer) in [
        (shop.orders(), "orders", ORDER_RESERVATION_EVENTS.name),
        (shop.inventory(), "inventory", INVENTORY_ORDER_EVENTS.name),
    ] {
        replay_letters(shop, client, schema, consumer, key).await;
    }
}

async fn change_the_catalogue(shop: &Shop, key: &str) {
    let inventory = shop.inventory();
    let made = inventory.post("/api/inventory/products", product(key, "1.00", 5)).await.is(201).json();
    let path = format!("/api/inventory/products/{}", int(&made["id"]));
    inventory.put(&path, product(key, "2.00", 5)).await.is(200);
    inventory.patch(&path, json!({"name": "Another"})).await.is(200);
    inventory.post(&format!("{path}/count"), json!({"counted": 7})).await.is(200);
    inventory.get(&format!("{path}/stock")).await.is(200);
    inventory.delete(&path).await.is(200);
    for list in ["", "?q=thing", "?sku=MANY-7", "/active", "/low-stock"] {
        inventory.get(&format!("/api/inventory/products{list}")).await.is(200);
    }
    inventory.get("/api/inventory/products/999999999/movements").await.is(404);
    inventory.get(&format!("/api/inventory/products/{LAPTOP}/check-stock?quantity=1")).await.is(200);
}

/// A person writes a product past the service, which folds its name a moment later.
async fn write_a_product_by_hand(shop: &Shop, key: &str) {
    let by_hand = format!(
        "INSERT INTO inventory.products (sku, name, price, stock_quantity) VALUES ('{key}-by-hand', 'Thing', 1, 0)"
    );
    shop.database.execute(by_hand).await;
    let unfolded = "SELECT count(*) FROM inventory.products WHERE sku_key IS NULL";
    poll::eventually("its name to be folded", async || poll::equal(shop.database.number(unfolded).await, 0)).await;
}

/// An order leaves the house.
async fn ship_an_order(shop: &Shop) {
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "SHIPPED"})).await.is(200);
    shop.broker().drained(INVENTORY_SHIPMENTS.name).await;
}

/// Orders are paid at the door: one gets a part back, one is cancelled with and one without money taken, one asks later.
async fn pay_at_the_door(shop: &Shop) {
    let orders = shop.orders();
    let mut paid = Vec::new();
    for _ in 0..3 {
        let mut body = order(&[(MOUSE, 1)]);
        body["payment"] = json!({"method": "CASH_ON_DELIVERY"});
        let placed = orders.post("/api/orders", body).await.is(201).json();
        shop.order_becomes(int(&placed["id"]), "CONFIRMED").await;
        paid.push((int(&placed["id"]), format!("/api/payments/{}", int(&placed["payment"]["id"]))));
    }
    let reason = json!({"reason": "scratched"});
    for (_, payment) in &paid[..2] {
        orders.post(&format!("{payment}/collect"), json!({})).await.is(200);
    }
    orders.post(&format!("{}/refunds", paid[0].1), reason.clone()).await.is(200);
    for (id, _) in &paid[1..] {
        orders.post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
    }
    orders.post(&format!("{}/refunds", paid[1].1), reason).await.is(200);
    orders.get(&format!("/api/orders/{}/payments", paid[0].0)).await.is(200);
    orders.get(&paid[0].1).await.is(200);
    let page = orders.get("/api/payments?limit=1").await.is(200);
    orders.get(&page.next_page().unwrap()).await.is(200);
    orders.get("/api/payments?status=REFUNDED").await.is(200);
    let later = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    let asked = json!({"method": "CASH_ON_DELIVERY"});
    orders.post(&format!("/api/orders/{later}/payments"), asked).await.is(201);
    for list in ["paymentStatus=REFUNDED", "paymentStatus=VOIDED&status=CANCELLED"] {
        orders.get(&format!("/api/orders?{list}")).await.is(200);
    }
}

/// An order is paid by card at the second attempt, and parts of it go back: by hand, and at the provider. Operators compare the books
/// and say what was done, also of what does not fit. Another order is paid on a page, and one is called off.
pub async fn pay_by_card(shop: &Shop, sandbox: &Sandbox, key: &str) {
    let orders = shop.orders();
    let (id, of_order) = money::placed(shop).await;
    for token in ["pm_card_chargeDeclined", "pm_card_visa"] {
        money::pay(shop, id, token).await.is(200);
    }
    let paid = money::payment(shop, of_order).await;
    let part = json!({"amount": 1, "reason": "scratched"});
    orders.post(&format!("/api/payments/{of_order}/refunds"), part).await.is(200);
    sandbox.happened();
    sandbox.stripe().refunds(text(&paid["providerId"]), Some(100)).unwrap();
    money::deliver(shop, &sandbox.happened()).await;
    let findings = "/api/admin/payments/findings";
    let found = async || orders.get(&format!("{findings}?open=true&limit=1")).await.is(200).array().pop();
    let finding =
        poll::eventually("the refund to be found", async || found().await.ok_or("nothing is found".to_owned()));
    let resolve = format!("{findings}/{}/resolve", finding.await["id"]);
    let note = || json!({"note": "agreed"});
    orders.post(&resolve, note()).await.is(200);
    orders.post(&resolve, note()).await.problem(409, "already-resolved");
    let today = time::OffsetDateTime::now_utc().date();
    orders.call(Method::POST, &format!("/api/admin/payments/reconcile?day={today}")).await.is(200);

    for call in ["GET /v1/payment_intents", "GET /v1/refunds"] {
        sandbox.always(call, Fault::WrongAmount);
    }
    money::is_looked_at(shop, of_order).await;
    let accept = json!({"decision": "ACCEPT", "note": "agreed"});
    orders.post(&format!("/api/payments/{of_order}/review"), accept).await.is(200);
    money::is_looked_at(shop, of_order).await;
    sandbox.clear_faults();

    let (called_off, of_page) = money::placed(shop).await;
    for _ in 0..2 {
        orders.post(&format!("/api/payments/{of_page}/session"), json!({})).await.is(200);
    }
    money::deliver(shop, &[of_nobody(key)]).await;
    orders.post(&format!("/api/payments/{of_page}/confirm"), json!({})).await.is(200);
    orders.get(&format!("/api/orders/{called_off}/explain")).await.is(200);
    orders.post(&format!("/api/orders/{called_off}/cancel"), json!({})).await.is(200);
    money::becomes(shop, of_page, "VOIDED").await;
}

/// Stripe tells of a payment that nobody here knows.
fn of_nobody(key: &str) -> Happened {
    let object =
        json!({"id": format!("pi_{key}"), "object": "payment_intent", "metadata": {"reference": Uuid::now_v7()}});
    let (id, kind) = (format!("evt_{key}"), "payment_intent.created".to_owned());
    let body = json!({"id": id, "type": kind, "livemode": false, "data": {"object": object}}).to_string();
    Happened { provider: Provider::Stripe, id, kind, body }
}

async fn hold_stock_again(shop: &Shop) {
    let (inventory, id) = (shop.inventory(), Uuid::now_v7());
    let path = format!("/api/inventory/reservations/{id}");
    inventory.post("/api/inventory/reservations", reservation(id, &[(MOUSE, 1)])).await.is(201);
    inventory.post(&format!("{path}/release"), json!({})).await.is(200);
    inventory.post("/api/inventory/reservations", reservation(id, &[(MOUSE, 1)])).await.is(201);
    inventory.post(&format!("{path}/commit"), json!({})).await.is(200);
    inventory.post("/api/inventory/reserve-stock", json!({"productId": MOUSE, "quantity": 1})).await.is(200);
    inventory.get("/api/inventory/reservations").await.is(200);
    for filter in ["heldBefore", "unclaimedBefore"] {
        inventory.get(&format!("/api/inventory/reservations?{filter}=2026-01-01T00:00:00Z")).await.is(200);
    }
}

/// Orders whose stock was released: one that is cancelled already, and one that is not.
async fn lose_stock(shop: &Shop) {
    let (cancelled, alive) = (shop.place(&[(MOUSE, 1)]).await, shop.place(&[(MOUSE, 1)]).await);
    shop.orders().post(&format!("/api/orders/{}/cancel", int(&cancelled["id"])), json!({})).await.is(200);
    shop.reservation_becomes(text(&cancelled["reference"]), "RELEASED").await;
    let created = json!({"orderId": cancelled["id"], "reference": cancelled["reference"]});
    shop.broker().publish("order.created", &event("order.created", "x", created).to_string()).await;
    let refused = event("reservation.refused", "x", json!({"reference": alive["reference"]}));
    shop.broker().publish("reservation.refused", &refused.to_string()).await;
    shop.order_becomes(int(&alive["id"]), "CANCELLED").await;
}

async fn list_orders(shop: &Shop) {
    for _ in 0..2 {
        shop.orders().post("/api/orders", order(&[(MOUSE, 1)])).await.is(201);
    }
    let page = shop.orders().get("/api/orders?createdFrom=2020-01-01T00:00:00Z&limit=1").await.is(200);
    shop.orders().get(&page.next_page().unwrap()).await.is(200);
    shop.orders().get(&format!("/api/orders?reference={}", Uuid::now_v7())).await.is(200);
    shop.orders().get("/api/orders?orderNumber=ORD-00000001").await.is(200);
}

/// Rows of an earlier build, whose customer has letters beyond ASCII, get the key that this build looks for.
async fn complete_customers(shop: &Shop) {
    let email = "%C3%A4nne@example.com";
    let order = "UPDATE orders.orders SET customer_email = 'änne@example.com', customer_key = NULL WHERE id = 1";
    shop.database.execute(order).await;
    let message = "INSERT INTO orders.notifications (event_id, about, order_id, kind, channel, recipient, customer_email, status, data)
                   VALUES (gen_random_uuid(), 'x', 1, 'order-placed', 'EMAIL', 'änne@example.com', 'änne@example.com', 'SENT', '{}')
                   RETURNING id";
    shop.database.number(message).await;
    assert_ne!(shop.orders().get(&format!("/api/orders?customerEmail={email}")).await.is(200).array().len(), 0);
    shop.orders().delete(&format!("/api/notifications?customerEmail={email}")).await.is(200);
}

/// A message that no provider took is queued once more.
async fn send_again(shop: &Shop) {
    let failed = "INSERT INTO orders.notifications (event_id, order_id, kind, channel, recipient, status)
                  VALUES (gen_random_uuid(), 1, 'order-placed', 'EMAIL', 'ada@example.com', 'FAILED') RETURNING id";
    let id = shop.database.number(failed).await;
    shop.orders().call(Method::POST, &format!("/api/notifications/{id}/resend")).await.is(202);
}

/// A customer takes a guest's order, with a wrong code and then the right one.
pub async fn claim_an_order(shop: &Shop, authorization: &str) {
    let access = shop.guest_access(int(&shop.place(&[(MOUSE, 1)]).await["id"])).await;
    shop.orders().get(&access.path).await.is(200);
    let claim = |code: &str| shop.orders().post(&access.claim(), json!({"code": code}));
    claim("x").header("authorization", authorization).await.is(400);
    claim(&access.code).header("authorization", authorization).await.is(200);
}

/// An event that names no customer takes the customer from the log.
pub async fn hear_of_an_order_from_an_earlier_build(shop: &Shop) {
    let shipped = event("order.shipped", "x", json!({"orderId": 1, "reference": Uuid::now_v7()}));
    shop.broker().publish("order.shipped", &shipped.to_string()).await;
}

/// Settling finds stock that is held for no order, and gives it back.
async fn leave_stock_without_an_order(shop: &Shop) {
    let id = Uuid::now_v7();
    let held = format!(
        "WITH held AS (INSERT INTO inventory.reservations (id, status, created_at, expires_at)
                       VALUES ('{id}', 'HELD', now() - INTERVAL '1 hour', now() - INTERVAL '1 minute') RETURNING id)
         INSERT INTO inventory.reservation_items (reservation_id, product_id, sku, name, quantity, unit_price)
         SELECT id, {MOUSE}, 'MOUSE', 'Mouse', 1, 1 FROM held"
    );
    shop.database.execute(held).await;
    shop.reservation_becomes(&id.to_string(), "RELEASED").await;
}

/// Replays a message that cannot be read, which is set aside again each time.
async fn replay_letters(shop: &Shop, client: &Client, schema: &str, consumer: &str, key: &str) {
    let insert = format!(
        "INSERT INTO {schema}.dead_letters (consumer, event_type, body, reason, attempts)
         VALUES ('{consumer}', 'x', '{key}', 'x', 1) RETURNING id"
    );
    let id = shop.database.number(insert).await;
    let waiting =
        format!("SELECT count(*) FROM {schema}.dead_letters WHERE consumer = '{consumer}' AND state = 'WAITING'");
    let set_aside = async || poll::equal(shop.database.number(waiting.as_str()).await, 1);
    let letters = "/api/admin/dead-letters";
    let lists = [letters, &format!("{letters}?consumer={consumer}"), &format!("{letters}?subject=x")];
    for list in lists.into_iter().chain([format!("{letters}/{id}").as_str()]) {
        client.get(list).await.is(200);
    }
    let of_nothing = json!({"orderId": 1, "reference": Uuid::now_v7()});
    let known = if schema == "orders" { "reservation.committed" } else { "order.cancelled" };
    for (event_type, outcome) in [(known, "PROCESSED"), ("unknown", "DEAD_LETTERED")] {
        let readable = event(event_type, key, of_nothing.clone()).to_string();
        client.patch(&format!("{letters}/{id}"), json!({"body": readable, "reason": "x"})).await.is(200);
        let run = client.call(Method::POST, &format!("{letters}/{id}/replay?dryRun=true")).await.is(200).json();
        assert_eq!(run["outcome"], outcome, "{run}");
    }
    client.call(Method::POST, &format!("{letters}/{id}/replay")).await.is(202);
    poll::eventually("the letter to be set aside again", set_aside).await;
    client.call(Method::POST, &format!("{letters}/replay?consumer={consumer}")).await.is(202);
    poll::eventually("the letter to be set aside once more", set_aside).await;
    client.call(Method::POST, &format!("{letters}/replay?consumer={consumer}&perSecond=1")).await.is(202);
    let replayed =
        format!("SELECT count(*) FROM {schema}.dead_letters WHERE consumer = '{consumer}' AND state = 'REPLAYED'");
    let three = async || poll::equal(shop.database.number(replayed.as_str()).await, 3);
    poll::eventually("the turn of the letter to come", three).await;
    poll::eventually("the letter to be set aside for the last time", set_aside).await;
    let last = client.get(&format!("{letters}?consumer={consumer}&state=WAITING")).await.is(200).array().remove(0);
    client.post(&format!("{letters}/{}/discard", last["id"]), json!({"reason": "x"})).await.is(200);
    shop.database.execute(format!("DELETE FROM {schema}.dead_letters WHERE consumer = '{consumer}'")).await;
}
