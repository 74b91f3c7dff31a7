//! The notification log: what is written when, what it shows, and what can be done with it. Nothing is sent here: most
//! shops of these tests have neither mail server nor SMS gateway, as `cargo xtask up` has none.

use e2e::broker::event;
use e2e::client::Response;
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order, order_of, product, text};
use e2e::shop::{Plan, Shop};
use serde_json::{Value, json};
use shared_types::topology::ORDER_NOTIFICATIONS;
use std::collections::HashSet;
use uuid::Uuid;

const NO_MAIL: &str = "no mail server is configured: set MAIL_FROM_ADDRESS";
const NO_SMS: &str = "no SMS gateway is configured: set BREVO_API_KEY";

/// With a mail server that is not there.
fn with_mail(plan: Plan) -> Plan {
    let port = xtask::ports::free_port().unwrap().to_string();
    plan.order_variable("MAIL_HOST", "127.0.0.1")
        .order_variable("MAIL_PORT", &port)
        .order_variable("MAIL_TLS", "none")
        .order_variable("MAIL_FROM_ADDRESS", "shop@example.com")
}

async fn of_order(shop: &Shop, id: i64) -> Vec<Value> {
    shop.orders().get(&format!("/api/orders/{id}/notifications")).await.is(200).array()
}

/// Waits until there are this many messages about an order; gives them.
async fn told(shop: &Shop, id: i64, count: usize) -> Vec<Value> {
    poll::eventually(&format!("{count} messages about order {id}"), async || {
        let found = of_order(shop, id).await;
        if found.len() == count { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await
}

/// Kinds and channels, without regard to the order in which channels were written.
fn kinds(notifications: &[Value]) -> HashSet<(String, String)> {
    notifications.iter().map(|it| (text(&it["kind"]).to_owned(), text(&it["channel"]).to_owned())).collect()
}

fn both_ways(kinds: &[&str]) -> HashSet<(String, String)> {
    kinds.iter().flat_map(|kind| ["EMAIL", "SMS"].map(|channel| ((*kind).to_owned(), channel.to_owned()))).collect()
}

async fn get(shop: &Shop, id: i64) -> Response {
    shop.orders().get(&format!("/api/notifications/{id}")).await
}

async fn resend(shop: &Shop, id: i64) -> Response {
    shop.orders().call("POST".parse().unwrap(), &format!("/api/notifications/{id}/resend")).await
}

async fn erase(shop: &Shop, email: &str) -> i64 {
    int(&shop.orders().delete(&format!("/api/notifications?customerEmail={email}")).await.is(200).json()["erased"])
}

/// Waits until the consumer has dealt with everything published before.
async fn all_dealt_with(shop: &Shop) {
    let last = event("order.shipped", "x", json!({"orderId": 999_999, "reference": Uuid::now_v7()}));
    shop.broker().publish("order.shipped", &last.to_string()).await;
    let seen = format!(
        "SELECT COUNT(*) FROM orders.inbox WHERE consumer = '{}' AND event_id = '{}'",
        ORDER_NOTIFICATIONS.name,
        text(&last["id"])
    );
    poll::eventually("the consumer", async || poll::equal(shop.database.number(seen.as_str()).await, 1)).await;
}

async fn rows(shop: &Shop) -> i64 {
    shop.database.number("SELECT COUNT(*) FROM orders.notifications").await
}

#[tokio::test]
async fn a_customer_is_told_what_happens_to_an_order() {
    let shop = Shop::open().await;
    let placed = shop.place(&[(LAPTOP, 1), (MOUSE, 2)]).await;
    let id = int(&placed["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    for status in ["SHIPPED", "DELIVERED"] {
        shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": status})).await.is(200);
    }
    let found = told(&shop, id, 8).await;
    let way = ["order-placed", "order-confirmed", "order-shipped", "order-delivered"];
    assert_eq!(kinds(&found), both_ways(&way));
    for notification in &found {
        let (recipient, reason) = match text(&notification["channel"]) {
            "EMAIL" => ("ada@example.com", NO_MAIL),
            _ => ("+442079460000", NO_SMS),
        };
        assert_eq!((text(&notification["recipient"]), text(&notification["reason"])), (recipient, reason));
        assert_eq!((text(&notification["status"]), int(&notification["orderId"])), ("SKIPPED", id));
        assert_eq!((int(&notification["attempts"]), int(&notification["resends"])), (0, 0));
        assert!(notification["sentAt"].is_null() && notification["nextAttemptAt"].is_null(), "{notification}");
        assert!(notification.get("text").is_none(), "lists carry no texts: {notification}");
    }
    let number = text(&placed["orderNumber"]);
    for (at, words) in [(0, vec![number, "2559.97", "Ada Lovelace", "12 St James's Square"]), (1, vec![number])] {
        let answer = get(&shop, int(&found[at]["id"])).await.is(200);
        let shown = answer.json();
        assert_eq!(answer.header("etag"), "\"1\"");
        for word in words {
            assert!(text(&shown["text"]).replace("&#x27;", "'").contains(word), "{word} is missing: {shown}");
        }
    }
    let mail = get(&shop, int(&found[0]["id"])).await.json();
    assert!(text(&mail["subject"]).contains(number), "{mail}");
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_cancellation_is_told_with_its_reason() {
    let shop = Shop::open().await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let reason = json!({"reason": "too <heavy>"});
    shop.orders().post(&format!("/api/orders/{id}/cancel"), reason).await.is(200);
    let found = told(&shop, id, 6).await;
    assert_eq!(kinds(&found), both_ways(&["order-placed", "order-confirmed", "order-cancelled"]));
    let mail = found.iter().find(|it| it["kind"] == "order-cancelled" && it["channel"] == "EMAIL").unwrap();
    let mail = int(&mail["id"]);
    assert!(text(&get(&shop, mail).await.json()["text"]).contains("too <heavy>"));
    let page = shop.orders().get(&format!("/api/notifications/{mail}/html")).await.is(200);
    assert!(page.text.contains("too &lt;heavy&gt;") && !page.text.contains("<heavy>"), "{}", page.text);
    assert!(page.header("content-type").starts_with("text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
}

#[tokio::test]
async fn an_order_that_could_not_be_placed_is_told_as_given_up() {
    let mut shop = Shop::plan().order_variable("ASYNC_PLACEMENT_GIVE_UP_SECONDS", "1").open().await;
    shop.inventory_services[0].kill();
    let call = shop.orders().post("/api/orders", order(&[(MOUSE, 1)])).header("prefer", "respond-async");
    let id = int(&call.await.is(202).json()["id"]);
    shop.order_becomes(id, "CANCELLED").await;
    let found = told(&shop, id, 2).await;
    assert_eq!(kinds(&found), both_ways(&["placement-given-up"]));
    let shown = get(&shop, int(&found[0]["id"])).await.json();
    assert!(text(&shown["text"]).contains("gave up after"), "{shown}");
}

#[tokio::test]
async fn events_that_come_again_make_no_second_message() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    told(&shop, id, 4).await;
    for routing_key in ["order.created", "order.confirmed"] {
        let original = tap.heard(routing_key, 1).await.remove(0);
        for _ in 0..3 {
            shop.broker().publish(routing_key, &original.body).await;
        }
    }
    all_dealt_with(&shop).await;
    assert_eq!(rows(&shop).await, 4);
    // Also where the inbox has forgotten them.
    shop.database.execute("DELETE FROM orders.inbox").await;
    let original = tap.heard("order.created", 1).await.remove(0);
    shop.broker().publish("order.created", &original.body).await;
    all_dealt_with(&shop).await;
    assert_eq!(rows(&shop).await, 4);
    assert!(shop.orders().dead_letters("", 0).await.is_empty());
}

#[tokio::test]
async fn an_order_without_a_number_gets_no_sms_and_a_bad_number_fails_at_once() {
    let plan = Shop::plan().order_variable("BREVO_API_KEY", "key").order_variable("BREVO_SMS_SENDER", "Shop");
    let shop = plan.order_variable("BREVO_SMS_URL", "http://127.0.0.1:9/").open().await;
    let place = async |phone: Value| {
        let mut body = order(&[(MOUSE, 1)]);
        body["customerPhone"] = phone;
        int(&shop.orders().post("/api/orders", body).await.is(201).json()["id"])
    };
    let (none, bad) = (place(Value::Null).await, place(json!("020 7946 0000")).await);
    let mails = told(&shop, none, 2).await;
    assert!(mails.iter().all(|it| it["channel"] == "EMAIL"), "{mails:?}");
    let found = told(&shop, bad, 4).await;
    let sms = found.iter().find(|it| it["channel"] == "SMS").unwrap();
    assert_eq!((text(&sms["status"]), &sms["recipient"]), ("FAILED", &Value::Null));
    let reason = text(&sms["reason"]);
    assert!(reason.starts_with("no telephone number") && !reason.contains("7946"), "{reason}");
}

#[tokio::test]
async fn the_shop_hears_of_each_crossing_of_the_threshold_once() {
    let shop = Shop::plan().order_variable("OPERATIONS_EMAIL", "stock@example.com").open().await;
    let mut tap = shop.broker().tap().await;
    let stock = |way: &str| format!("/api/inventory/products/{LAPTOP}/{way}-stock");
    let change = async |way: &str, quantity: i64| {
        shop.inventory().post(&stock(way), json!({"quantity": quantity})).await.is(200);
    };
    // 50 at hand, and a threshold of 5.
    let placed = shop.place(&[(LAPTOP, 46)]).await;
    shop.order_becomes(int(&placed["id"]), "CONFIRMED").await;
    shop.place(&[(LAPTOP, 1)]).await;
    change("add", 1).await;
    change("add", 1).await; // 5: at the threshold is low still
    shop.orders().post(&format!("/api/orders/{}/cancel", int(&placed["id"])), json!({})).await.is(200);
    shop.reservation_becomes(text(&placed["reference"]), "RELEASED").await;
    change("add", 10).await;
    change("reduce", 60).await; // 1
    change("add", 100).await;
    let mut changed = product("LAPTOP-001", "2499.99", 101);
    for threshold in [500, 600, 100] {
        changed["lowStockThreshold"] = json!(threshold);
        shop.inventory().put(&format!("/api/inventory/products/{LAPTOP}"), changed.clone()).await.is(200);
    }
    let low: Vec<Value> = tap.heard("stock.low", 3).await.iter().map(|it| it.event()["data"].clone()).collect();
    let risen: Vec<Value> =
        tap.heard("stock.replenished", 3).await.iter().map(|it| it.event()["data"].clone()).collect();
    let levels = |said: &[Value]| -> Vec<(i64, i64)> {
        said.iter().map(|it| (int(&it["stockQuantity"]), int(&it["lowStockThreshold"]))).collect()
    };
    assert_eq!(levels(&low), [(4, 5), (1, 5), (101, 500)]);
    assert_eq!(levels(&risen), [(51, 5), (101, 5), (101, 100)]);
    assert!(risen.iter().all(|it| it["productId"] == LAPTOP && it["sku"] == "LAPTOP-001"), "{risen:?}");
    let about_stock = "SELECT kind || ' ' || channel || ' ' || recipient FROM orders.notifications
                       WHERE order_id IS NULL ORDER BY id";
    let written = poll::eventually("the shop to be told", async || {
        let rows = shop.database.texts(about_stock).await;
        if rows.len() == 6 { Ok(rows) } else { Err(format!("{rows:?}")) }
    })
    .await;
    let row = |kind: &str| format!("stock-{kind} EMAIL stock@example.com");
    assert_eq!(written.iter().filter(|it| **it == row("low")).count(), 3, "{written:?}");
    assert_eq!(written.iter().filter(|it| **it == row("replenished")).count(), 3, "{written:?}");
    let first = shop.database.number("SELECT MIN(id) FROM orders.notifications WHERE kind = 'stock-low'").await;
    let shown = get(&shop, first).await.is(200).json();
    assert!(text(&shown["text"]).contains("LAPTOP-001"), "{shown}");
}

#[tokio::test]
async fn stock_that_goes_out_and_comes_back_again_and_again_alternates() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    for _ in 0..3 {
        let placed = shop.place(&[(LAPTOP, 48)]).await;
        let id = int(&placed["id"]);
        shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
        shop.reservation_becomes(text(&placed["reference"]), "RELEASED").await;
    }
    tap.heard("stock.replenished", 3).await;
    let said: Vec<String> =
        tap.all().iter().map(|it| it.routing_key.clone()).filter(|it| it.starts_with("stock.")).collect();
    assert_eq!(said, ["stock.low", "stock.replenished"].repeat(3));
    let nobody =
        "SELECT COUNT(*) FROM orders.notifications WHERE reason LIKE '%OPERATIONS_EMAIL%' AND status = 'SKIPPED'";
    poll::eventually("the rows", async || poll::equal(shop.database.number(nobody).await, 6)).await;
}

#[tokio::test]
async fn the_log_is_listed_in_pages_and_by_status() {
    let shop = Shop::open().await;
    for _ in 0..3 {
        let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
        told(&shop, id, 4).await;
    }
    shop.database.execute("UPDATE orders.notifications SET status = 'FAILED' WHERE id <= 2").await;
    let walk = async |path: &str| {
        let (mut ids, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = shop.orders().get(&path).await.is(200);
            ids.extend(page.array().iter().map(|it| int(&it["id"])));
            next = page.next_page();
        }
        ids
    };
    let all = walk("/api/notifications?limit=5").await;
    assert_eq!(all.len(), 12);
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {all:?}");
    assert_eq!(walk("/api/notifications?status=SKIPPED&limit=3").await, all[..10]);
    assert_eq!(walk("/api/notifications?status=FAILED").await, [2, 1]);
    assert!(walk("/api/notifications?status=SENT").await.is_empty());
    let bad = shop.orders().get("/api/notifications?status=LOST").await;
    assert_eq!(bad.fields_at_fault(), ["status"]);
    let bad = shop.orders().get("/api/notifications?limit=0&cursor=x").await;
    assert_eq!(bad.fields_at_fault(), ["cursor", "limit"]);
    shop.orders().get("/api/orders/999/notifications").await.problem(404, "not-found");
    for path in ["", "/html", "/resend"] {
        let method = if path == "/resend" { "POST" } else { "GET" };
        let path = format!("/api/notifications/999{path}");
        shop.orders().call(method.parse().unwrap(), &path).await.problem(404, "not-found");
    }
    let sms = shop.database.number("SELECT MIN(id) FROM orders.notifications WHERE channel = 'SMS'").await;
    shop.orders().get(&format!("/api/notifications/{sms}/html")).await.problem(404, "not-found");
}

#[tokio::test]
async fn while_the_mail_server_is_away_mail_waits_without_using_up_its_attempts() {
    let plan = with_mail(Shop::plan()).order_variable("NOTIFICATION_CIRCUIT_PAUSE_MS", "200");
    let shop = plan.order_variable("RETRY_DELAYS_MS", "10").open().await;
    for _ in 0..8 {
        shop.place(&[(MOUSE, 1)]).await;
    }
    let health = poll::eventually("the circuit to open", async || {
        let health = shop.orders().get("/health/ready").await.is(200).json();
        if health["dependencies"]["mail-server"]["circuit"] == "OPEN" { Ok(health) } else { Err(health.to_string()) }
    })
    .await;
    assert_eq!(
        (&health["status"], &health["dependencies"]["mail-server"]["status"]),
        (&json!("DEGRADED"), &json!("DOWN"))
    );
    let reopened = |metrics: &str| {
        let open =
            |line: &&str| line.starts_with("notification_circuit_transitions_total") && line.contains("half_open");
        metrics.lines().find(open).and_then(|line| line.rsplit(' ').next()?.parse::<u32>().ok()).unwrap_or_default()
    };
    poll::eventually("mail to be tried at times", async || {
        let metrics = shop.orders().get("/metrics").await.is(200).text;
        if reopened(&metrics) >= 3 { Ok(()) } else { Err(metrics) }
    })
    .await;
    let mails = "FROM orders.notifications WHERE channel = 'EMAIL'";
    assert_eq!(shop.database.number(format!("SELECT COUNT(*) {mails} AND status <> 'QUEUED'")).await, 0);
    assert_eq!(shop.database.number(format!("SELECT SUM(attempts) {mails}")).await, 0);
    let first = shop.database.number(format!("SELECT MIN(id) {mails}")).await;
    resend(&shop, first).await.problem(409, "cannot-resend");
}

#[tokio::test]
async fn a_message_is_queued_again_once() {
    let shop = with_mail(Shop::plan()).open().await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    let found = told(&shop, id, 4).await;
    let of = |channel: &str| int(&found.iter().find(|it| it["channel"] == channel).unwrap()["id"]);
    resend(&shop, of("SMS")).await.problem(409, "cannot-resend");
    let mail = of("EMAIL");
    let sent = format!(
        "UPDATE orders.notifications SET status = 'SENT', next_attempt_at = NULL, attempts = 2, subject = 'S',
         body_text = 'T', body_html = 'H', provider_id = 'p', sent_at = now() WHERE id = {mail}"
    );
    shop.database.execute(sent).await;
    let shown = get(&shop, mail).await.is(200);
    assert_eq!((&shown.json()["subject"], &shown.json()["text"]), (&json!("S"), &json!("T")), "as it was sent");
    let known = shop.orders().get(&format!("/api/notifications/{mail}")).header("if-none-match", shown.header("etag"));
    known.await.is(304);
    assert_eq!(shop.orders().get(&format!("/api/notifications/{mail}/html")).await.is(200).text, "H");
    let call = || shop.orders().call("POST".parse().unwrap(), &format!("/api/notifications/{mail}/resend"));
    call().header("if-match", "\"0\"").await.problem(412, "precondition-failed");
    let first = call().key("again").header("if-match", shown.header("etag")).await.is(202);
    let queued = first.json();
    assert_eq!((text(&queued["status"]), int(&queued["attempts"]), int(&queued["resends"])), ("QUEUED", 0, 1));
    assert!(queued["providerId"].is_null() && queued["sentAt"].is_null(), "{queued}");
    assert_eq!(first.header("location"), format!("/api/notifications/{mail}"));
    assert_eq!(call().key("again").await.is(202).text, first.text, "a repeat gets the same answer");
    call().key("once-more").await.problem(409, "cannot-resend");
    assert_eq!(int(&get(&shop, mail).await.json()["resends"]), 1);
}

#[tokio::test]
async fn a_customer_can_be_forgotten() {
    let shop = with_mail(Shop::plan()).open().await;
    let place = async |email: &str| {
        let body = order_of(email, &[(MOUSE, 1)]);
        let id = int(&shop.orders().post("/api/orders", body).await.is(201).json()["id"]);
        told(&shop, id, 4).await;
        id
    };
    let (ada, grace) = (place("ada@example.com").await, place("grace@example.com").await);
    let reason = json!({"reason": "Ada moved"});
    shop.orders().post(&format!("/api/orders/{ada}/cancel"), reason).await.is(200);
    told(&shop, ada, 6).await;
    let first = int(&of_order(&shop, ada).await[0]["id"]);
    let sent = format!(
        "UPDATE orders.notifications SET status = 'SENT', next_attempt_at = NULL, subject = 'S', body_text = 'T',
         body_html = 'H', last_error = 'E' WHERE id = {first}"
    );
    shop.database.execute(sent).await;
    assert_eq!(erase(&shop, "ADA@Example.com").await, 6);
    for notification in of_order(&shop, ada).await {
        assert!(notification["recipient"].is_null() && notification["erasedAt"].is_string(), "{notification}");
        assert_ne!(notification["status"], "QUEUED");
        let id = int(&notification["id"]);
        let shown = get(&shop, id).await.is(200).json();
        assert!(shown["text"].is_null() && shown["subject"].is_null(), "{shown}");
        resend(&shop, id).await.problem(409, "cannot-resend");
    }
    let erased = shop
        .database
        .texts(
            "SELECT DISTINCT status || ' ' || reason FROM orders.notifications
                                      WHERE erased_at IS NOT NULL AND channel = 'EMAIL' AND status <> 'SENT'",
        )
        .await;
    assert_eq!(erased, ["SKIPPED erased"]);
    let left = "SELECT COUNT(*) FROM orders.notifications n WHERE erased_at IS NOT NULL AND n::text ~ 'ada@|Ada|4420'";
    assert_eq!(shop.database.number(left).await, 0);
    shop.orders().get(&format!("/api/notifications/{first}/html")).await.problem(404, "not-found");
    assert_eq!(erase(&shop, "ada@example.com").await, 0);
    assert!(of_order(&shop, grace).await.iter().all(|it| it["recipient"].is_string()), "others stay");
    assert_eq!(shop.orders().delete("/api/notifications").await.fields_at_fault(), ["customerEmail"]);
    assert!(!shop.order_services[0].log().to_lowercase().contains("ada@example.com"));
}

#[tokio::test]
async fn reports_of_the_provider_move_what_was_sent() {
    let shop = Shop::plan().order_variable("BREVO_WEBHOOK_SECRET", "hush").open().await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let ids: Vec<i64> = told(&shop, id, 4).await.iter().map(|it| int(&it["id"])).collect();
    for (id, provider_id) in ids.iter().zip(["a.0@example.com", "77", "b.0@example.com", "78"]) {
        let sent = format!(
            "UPDATE orders.notifications SET status = 'SENT', provider_id = '{provider_id}', sent_at = now() WHERE id = {id}"
        );
        shop.database.execute(sent).await;
    }
    let path = "/api/notifications/webhooks/brevo";
    let report = async |body: Value| {
        let answer = shop.orders().post(path, body).header("x-webhook-secret", "hush").await.is(200);
        int(&answer.json()["changed"])
    };
    let delivered =
        json!({"event": "delivered", "email": "ada@example.com", "id": 1, "ts": 1, "message-id": "<a.0@example.com>"});
    shop.orders().post(path, delivered.clone()).await.problem(401, "unauthorized");
    shop.orders().post(path, delivered.clone()).header("x-webhook-secret", "HUSH").await.problem(401, "unauthorized");
    shop.orders().post(path, json!("x")).header("x-webhook-secret", "hush").await.problem(400, "validation");
    assert_eq!(report(delivered.clone()).await, 1);
    assert_eq!(report(delivered).await, 0, "again changes nothing");
    assert_eq!(
        report(json!({"event": "hard_bounce", "message-id": "a.0@example.com"})).await,
        0,
        "late changes nothing"
    );
    let batch = json!([
        {"msg_status": "delivered", "messageId": 77, "to": "442079460000", "type": "transactional"},
        {"event": "opened", "message-id": "b.0@example.com"},
        {"event": "hard_bounce", "message-id": "b.0@example.com", "reason": "no such user ada@example.com"},
        {"msg_status": "sent", "messageId": 78},
        {"event": "delivered", "message-id": "unknown@example.com"},
    ]);
    assert_eq!(report(batch).await, 2);
    let statuses = "SELECT status || ' ' || COALESCE(reason, '-') FROM orders.notifications ORDER BY id";
    let seen = shop.database.texts(statuses).await;
    let not = [NO_MAIL, NO_SMS];
    assert_eq!(seen[0], "DELIVERED -", "{not:?}");
    assert_eq!(seen[1..3], ["DELIVERED -", "FAILED the provider reported: hard_bounce"]);
    assert!(seen[3].starts_with("SENT"), "{seen:?}");
    assert!(get(&shop, ids[0]).await.json()["deliveredAt"].is_string());
    let closed = Shop::plan().without_broker().open().await;
    closed.orders().post(path, json!({})).header("x-webhook-secret", "").await.problem(404, "webhook-disabled");
}

#[tokio::test]
async fn what_is_not_sent_is_shown_in_the_log_without_personal_data() {
    let shop = Shop::open().await;
    let orders = 15;
    for _ in 0..orders {
        shop.place(&[(MOUSE, 1)]).await;
    }
    poll::eventually("everybody to be told", async || poll::equal(rows(&shop).await, orders * 4)).await;
    let service = &shop.order_services[0];
    let shown = || service.log_lines(&["not sent: no "]) as i64;
    let omitted = || -> i64 {
        let log = service.log();
        let lines = log.lines().filter(|line| line.contains("more messages are not sent"));
        lines.filter_map(|line| line.split("omitted=").nth(1)?.split_whitespace().next()?.parse::<i64>().ok()).sum()
    };
    poll::eventually("every message to be shown or counted", async || poll::equal(shown() + omitted(), orders * 4))
        .await;
    assert!(shown() >= 10 && omitted() > 0, "{} shown, {} omitted", shown(), omitted());
    assert!(service.log_lines(&["not sent: no mail", "recipient=\"a…@e….com\"", "[name]"]) > 0, "{}", service.log());
    for personal in ["ada@example.com", "Lovelace", "James's", "7946"] {
        assert_eq!(service.log_lines(&[personal]), 0, "{personal} is in the log");
    }
}
