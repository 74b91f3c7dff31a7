//! The notification log: looked at, sent again, erased, and moved on by the provider's reports.

use e2e::client::Response;
use e2e::notices::{of_order, told};
use e2e::poll;
use e2e::samples::{MOUSE, int, order_of, text};
use e2e::shop::{Plan, Shop};
use serde_json::{Value, json};

/// With a mail server that is not there.
fn with_mail(plan: Plan) -> Plan {
    let port = testbed::ports::free_port().unwrap().to_string();
    plan.order_variable("MAIL_HOST", "127.0.0.1")
        .order_variable("MAIL_PORT", &port)
        .order_variable("MAIL_TLS", "none")
        .order_variable("MAIL_FROM_ADDRESS", "shop@example.com")
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

async fn rows(shop: &Shop) -> i64 {
    shop.database.number("SELECT COUNT(*) FROM orders.notifications").await
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
    assert_eq!(walk("/api/notifications?status=failed").await, [2, 1], "in any case");
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
    shop.skip_a_bucket().await;
    place("Ada@example.com").await;
    let reason = json!({"reason": "Ada moved"});
    shop.orders().post(&format!("/api/orders/{ada}/cancel"), reason).await.is(200);
    told(&shop, ada, 6).await;
    let first = int(&of_order(&shop, ada).await[0]["id"]);
    let sent = format!(
        "UPDATE orders.notifications SET status = 'SENT', next_attempt_at = NULL, subject = 'S', body_text = 'T',
         body_html = 'H', last_error = 'E' WHERE id = {first}"
    );
    shop.database.execute(sent).await;
    assert_eq!(erase(&shop, "ADA@Example.com").await, 6 + 4);
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
    let left = "SELECT COUNT(*) FROM orders.notifications n WHERE erased_at IS NOT NULL AND n::text ~ 'ada@|Ada|7946'";
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
    assert_eq!(seen[..3], ["DELIVERED -", "DELIVERED -", "FAILED the provider reported: hard_bounce"]);
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

#[tokio::test]
async fn a_message_that_was_written_again_after_its_erasure_is_erased_again() {
    let shop = with_mail(Shop::plan()).open().await;
    let mut tap = shop.broker().tap().await;
    let id =
        int(&shop.orders().post("/api/orders", order_of("ada@example.com", &[(MOUSE, 1)])).await.is(201).json()["id"]);
    let count = told(&shop, id, 4).await.len() as i64;
    assert_eq!(erase(&shop, "ada@example.com").await, count);
    let created = tap.heard("order.created", 1).await.remove(0);
    // As a month later.
    for table in ["orders.inbox", "orders.erasures"] {
        shop.database.execute(format!("DELETE FROM {table}")).await;
    }
    shop.broker().send("order-service.notifications", &created.body).await;
    let theirs = format!("SELECT COUNT(*) FROM orders.notifications WHERE order_id = {id} AND recipient IS NOT NULL");
    let again = poll::eventually("it to be written again", async || match shop.database.number(theirs.clone()).await {
        0 => Err("it is not".to_owned()),
        count => Ok(count),
    })
    .await;
    assert_eq!(erase(&shop, "ada@example.com").await, again);
    assert_eq!(shop.database.number(theirs).await, 0);
    assert_eq!(of_order(&shop, id).await.len() as i64, count, "one row of each message");
    assert_eq!(erase(&shop, "ada@example.com").await, 0);
}
